//go:build !race

package policy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// TestChain_AllocatesAtMost holds the hot paths to their ceilings. The race
// detector allocates too, hence the build tag.
func TestChain_AllocatesAtMost(t *testing.T) {
	open := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Hour})
	_ = open.Do(t.Context(), unavailable)
	three := policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{})
	abandon := policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{Abandon: true})
	for _, row := range []struct {
		name     string
		chain    *policy.Chain
		do, call float64
		fn       func(context.Context) error
		err      error
	}{
		{"nil", nil, 0, 0, succeed, nil},
		{"no layers", policy.Must(), 0, 1, succeed, nil},
		{"retry", policy.Must(policy.Retry{}), 0, 1, succeed, nil},
		{"retry with budget", policy.Must(policy.Retry{Budget: &policy.RetryBudget{}}), 0, 1, succeed, nil},
		{"breaker", policy.Must(policy.Breaker{}), 0, 1, succeed, nil},
		{"breaker and failures", policy.Must(policy.Breaker{MinCalls: 1_000_000}), 0, 1, unavailable, core.ErrUnavailable},
		{"open breaker", open, 0, 1, succeed, policy.ErrOpen},
		{"bulkhead", policy.Must(policy.Bulkhead{}), 0, 1, succeed, nil},
		{"rate limit", policy.Must(policy.RateLimit{Rate: 1e9}), 0, 1, succeed, nil},
		{"timeout", policy.Must(policy.Timeout{}), 4, 5, succeed, nil},
		{"retry, breaker, timeout", three, 4, 5, succeed, nil},
		// One more than on a machine with nothing else to do: the channel of the ctx,
		// when the function is not done at once.
		{"retry, breaker, timeout with Abandon", abandon, 8, 9, succeed, nil},
	} {
		ctx := context.Background() // one that can end costs allocations of its own
		if got := testing.AllocsPerRun(200, func() { _ = row.chain.Do(ctx, row.fn) }); got > row.do {
			t.Errorf("%s: Do makes %v allocations; at most %v", row.name, got, row.do)
		}
		fn := func(ctx context.Context) (int, error) { return 42, row.fn(ctx) }
		if got := testing.AllocsPerRun(200, func() { _, _ = policy.Call(ctx, row.chain, fn) }); got > row.call {
			t.Errorf("%s: Call makes %v allocations; at most %v", row.name, got, row.call)
		}
		if err := row.chain.Do(ctx, row.fn); !errors.Is(err, row.err) {
			t.Errorf("%s: %v; want %v", row.name, err, row.err)
		}
	}
}
