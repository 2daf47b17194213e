package policy_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func benchmarkGet(b *testing.B, want core.Level, f *policy.Fallback[string, profile]) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	defer func() {
		if err := f.Close(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if _, level, err := f.Get(ctx, "ann"); level != want {
			b.Fatalf("%v, %v", level, err)
		}
	}
}

// A live answer costs a goroutine, which lets callers share it and leave it, and
// its JSON.
func BenchmarkFallbackLive(b *testing.B) {
	chain := policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{})
	benchmarkGet(b, core.Live, policy.Try(chain, answering(nil)).ThenCached(memory.New(), "b").ThenDefault(guest))
}

func BenchmarkFallbackLiveWithoutCache(b *testing.B) {
	chain := policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{})
	benchmarkGet(b, core.Live, policy.Try(chain, answering(nil)).ThenDefault(guest))
}

// What a request costs while the breaker is open and the cache answers.
func BenchmarkFallbackCachedBreakerOpen(b *testing.B) {
	chain := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Hour})
	benchmarkGet(b, core.Cached, warm(b, chain))
}

func BenchmarkFallbackCached(b *testing.B) { benchmarkGet(b, core.Cached, warm(b, nil)) }

// warm returns a fallback that remembers "ann", and whose live call fails.
func warm(b *testing.B, chain *policy.Chain) *policy.Fallback[string, profile] {
	var fail error
	f := policy.Try(chain, func(_ context.Context, id string) (profile, error) { return profile{Name: id}, fail }).
		ThenCached(memory.New(), "b").Must()
	if _, level, err := f.Get(b.Context(), "ann"); level != core.Live {
		b.Fatal(level, err)
	}
	fail = io.EOF
	for range 3 {
		_, _, _ = f.Get(b.Context(), "ann")
	}
	return f
}
