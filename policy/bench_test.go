package policy_test

import (
	"context"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// The same call through a plain function, through chains, through failsafe-go's
// executor with the same policies, and through gobreaker. Compare within one run
// only:
//
//	go test -run '^$' -bench . -benchmem -count 6 ./policy

func succeed(context.Context) error { return nil }

func answer(context.Context) (int, error) { return 42, nil }

// executorOfThree is failsafe-go's executor with retry, breaker and timeout, set
// up as the chains beside it.
func executorOfThree() failsafe.Executor[any] {
	return failsafe.With[any](
		retrypolicy.NewBuilder[any]().WithMaxRetries(2).WithBackoff(50*time.Millisecond, time.Second).WithJitterFactor(0.5).
			AbortOnErrors(circuitbreaker.ErrOpen).ReturnLastFailure().Build(),
		circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 10, 10*time.Second).WithDelay(5*time.Second).Build(),
		timeout.New[any](2*time.Second),
	)
}

func BenchmarkPlain(b *testing.B) {
	ctx := b.Context()
	fn := succeed
	b.ReportAllocs()
	for b.Loop() {
		if err := fn(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContextWithTimeout(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, core.ErrUnavailable)
		if err := succeed(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
	}
}

func BenchmarkChain(b *testing.B) {
	ctx := context.Background()
	for _, row := range []struct {
		name   string
		layers []policy.Layer
	}{
		{"none", nil},
		{"retry", []policy.Layer{policy.Retry{}}},
		{"breaker", []policy.Layer{policy.Breaker{}}},
		{"timeout", []policy.Layer{policy.Timeout{}}},
		{"bulkhead", []policy.Layer{policy.Bulkhead{}}},
		{"ratelimit", []policy.Layer{policy.RateLimit{Rate: 1_000_000_000, Interval: time.Second}}},
		{"hedge", []policy.Layer{policy.Hedge{}}},
		{"retry+breaker+timeout", []policy.Layer{policy.Retry{}, policy.Breaker{}, policy.Timeout{}}},
		{"retry+breaker+timeout-abandon", []policy.Layer{policy.Retry{}, policy.Breaker{}, policy.Timeout{Abandon: true}}},
	} {
		c := policy.Must(row.layers...)
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Do(ctx, succeed); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(row.name+"/call", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.Call(ctx, c, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkChainOpen(b *testing.B) {
	ctx := context.Background()
	c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Hour})
	_ = c.Do(ctx, func(context.Context) error { return core.ErrUnavailable })
	b.ReportAllocs()
	for b.Loop() {
		if c.Do(ctx, succeed) == nil {
			b.Fatal("an open breaker let a call through")
		}
	}
}

func BenchmarkChainParallel(b *testing.B) {
	ctx := context.Background()
	c := policy.Must(policy.Breaker{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = c.Do(ctx, succeed)
		}
	})
}

func BenchmarkFailsafe(b *testing.B) {
	breaker := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 10, 10*time.Second).WithDelay(5 * time.Second).Build()
	b.Run("breaker", func(b *testing.B) {
		e := failsafe.With[any](breaker)
		b.ReportAllocs()
		for b.Loop() {
			if err := e.Run(func() error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("breaker-open", func(b *testing.B) {
		open := circuitbreaker.NewBuilder[any]().WithDelay(time.Hour).Build()
		open.Open()
		e := failsafe.With[any](open)
		b.ReportAllocs()
		for b.Loop() {
			if e.Run(func() error { return nil }) == nil {
				b.Fatal("an open breaker let a call through")
			}
		}
	})
	b.Run("retry+breaker+timeout", func(b *testing.B) {
		e := executorOfThree()
		b.ReportAllocs()
		for b.Loop() {
			if err := e.Run(func() error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	// What a call that heeds its ctx takes.
	b.Run("retry+breaker+timeout/ctx", func(b *testing.B) {
		e, ctx := executorOfThree(), b.Context()
		b.ReportAllocs()
		for b.Loop() {
			if err := e.WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error { return succeed(exec.Context()) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGobreaker(b *testing.B) {
	cb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{Interval: 10 * time.Second, Timeout: time.Hour, ReadyToTrip: func(c gobreaker.Counts) bool {
		return c.Requests >= 10 && c.TotalFailures*2 >= c.Requests
	}})
	b.Run("breaker", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := cb.Execute(func() (int, error) { return 42, nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("breaker-open", func(b *testing.B) {
		open := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{Timeout: time.Hour, ReadyToTrip: func(gobreaker.Counts) bool { return true }})
		_, _ = open.Execute(func() (int, error) { return 0, core.ErrUnavailable })
		b.ReportAllocs()
		for b.Loop() {
			if _, err := open.Execute(func() (int, error) { return 42, nil }); err == nil {
				b.Fatal("an open breaker let a call through")
			}
		}
	})
}
