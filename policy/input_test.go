package policy_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/fallback"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestNew_RefusesNonsense(t *testing.T) {
	l := func(layers ...policy.Layer) []policy.Layer { return layers }
	for _, row := range []struct {
		layers []policy.Layer
		says   []string // field, value, bound
	}{
		{l(policy.Retry{MaxAttempts: -1}), []string{"Retry.MaxAttempts", "-1", "between 1 and 100"}},
		{l(policy.Retry{MaxAttempts: 101}), []string{"Retry.MaxAttempts", "101", "between 1 and 100"}},
		{l(policy.Retry{Delay: -time.Second}), []string{"Retry.Delay", "-1s", "between 0s and 24h"}},
		{l(policy.Retry{Delay: 2 * time.Second, MaxDelay: time.Second}), []string{"Retry.Delay", "2s", "at most MaxDelay, which is 1s"}},
		{l(policy.Retry{MaxDelay: 25 * time.Hour}), []string{"Retry.MaxDelay", "25h", "24h"}},
		{l(policy.Retry{Multiplier: 0.5}), []string{"Retry.Multiplier", "0.5", "between 1 and 100"}},
		{l(policy.Retry{Multiplier: math.NaN()}), []string{"Retry.Multiplier", "NaN", "between 1 and 100"}},
		{l(policy.Retry{Multiplier: math.Inf(1)}), []string{"Retry.Multiplier", "+Inf", "between 1 and 100"}},
		{l(policy.Retry{MaxElapsed: -1}), []string{"Retry.MaxElapsed", "-1ns", "between 0s and 24h"}},
		{l(policy.Retry{Budget: &policy.RetryBudget{Ratio: -0.1}}), []string{"RetryBudget.Ratio", "-0.1", "between 0.001 and 10"}},
		{l(policy.Retry{Budget: &policy.RetryBudget{MinPerSecond: math.NaN()}}), []string{"RetryBudget.MinPerSecond", "NaN", "between"}},
		{l(policy.Retry{Budget: &policy.RetryBudget{Burst: -5}}), []string{"RetryBudget.Burst", "-5", "between 1 and"}},
		{l(policy.Breaker{FailureRate: 1.1}), []string{"Breaker.FailureRate", "1.1", "between 0.01 and 1"}},
		{l(policy.Breaker{FailureRate: 0.001}), []string{"Breaker.FailureRate", "0.001", "between 0.01 and 1"}},
		{l(policy.Breaker{FailureRate: -0.5}), []string{"Breaker.FailureRate", "-0.5", "between 0.01 and 1"}},
		{l(policy.Breaker{FailureRate: math.NaN()}), []string{"Breaker.FailureRate", "NaN", "between 0.01 and 1"}},
		{l(policy.Breaker{Window: time.Microsecond}), []string{"Breaker.Window", "1µs", "between 10ms and 24h"}},
		{l(policy.Breaker{MinCalls: -3}), []string{"Breaker.MinCalls", "-3", "between 1 and 1000000"}},
		{l(policy.Breaker{OpenFor: -time.Second}), []string{"Breaker.OpenFor", "-1s", "between 1ms and 24h"}},
		{l(policy.Breaker{HalfOpenProbes: 2000}), []string{"Breaker.HalfOpenProbes", "2000", "between 1 and 1000"}},
		{l(policy.Timeout{After: -time.Second}), []string{"Timeout.After", "-1s", "between 1µs and 24h"}},
		{l(policy.Timeout{After: 48 * time.Hour}), []string{"Timeout.After", "48h", "24h"}},
		{l(policy.Timeout{MaxAbandoned: -1}), []string{"Timeout.MaxAbandoned", "-1", "between 1 and"}},
		{l(policy.Bulkhead{MaxConcurrent: -1}), []string{"Bulkhead.MaxConcurrent", "-1", "between 1 and"}},
		{l(policy.Bulkhead{MaxWait: -1}), []string{"Bulkhead.MaxWait", "-1ns", "between 0s and"}},
		{l(policy.RateLimit{Rate: -1}), []string{"RateLimit.Rate", "-1", "between 1 and"}},
		{l(policy.RateLimit{Interval: time.Nanosecond}), []string{"RateLimit.Interval", "1ns", "between 1ms and"}},
		{l(policy.RateLimit{Rate: 1e9, Interval: time.Millisecond}), []string{"RateLimit.Rate", "1000000000", "one per nanosecond"}},
		{l(policy.RateLimit{Rate: 5, Burst: 6}), []string{"RateLimit.Burst", "6", "between 1 and 5"}},
		{l(policy.RateLimit{MaxWait: -1}), []string{"RateLimit.MaxWait", "-1ns", "between 0s and"}},
		{l(policy.Hedge{Delay: -1}), []string{"Hedge.Delay", "-1ns", "between 1µs and"}},
		{l(policy.Hedge{MaxHedges: 11}), []string{"Hedge.MaxHedges", "11", "between 1 and 10"}},
		{l(policy.From(nil)), []string{"From", "nil"}},
		{l(policy.From(failsafe.Policy[any]((*nilPolicy)(nil)))), []string{"From", "nil"}},

		{l(nil), []string{"layer 1", "nil"}},
		{l(policy.Retry{}, (*policy.Breaker)(nil)), []string{"layer 2", "nil"}},
		{l(policy.Breaker{}, policy.Timeout{}, policy.Breaker{}), []string{"layers 1 and 3", "Breaker", "at most one"}},
		{l(policy.Retry{}, &policy.Retry{}), []string{"layers 1 and 2", "Retry", "at most one"}},
		{l(policy.Bulkhead{}, policy.Bulkhead{}), []string{"Bulkhead", "at most one"}},
		{l(policy.RateLimit{}, policy.RateLimit{}), []string{"RateLimit", "at most one"}},
		{l(policy.Hedge{}, policy.Hedge{}), []string{"Hedge", "at most one"}},
		{l(policy.Breaker{}, policy.Retry{}), []string{"Breaker stands outside of Retry", "the right order, outermost first, is Timeout", "Retry, Hedge, Breaker"}},
		{l(policy.Hedge{}, policy.Retry{}), []string{"Hedge stands outside of Retry", "the right order"}},
		{l(policy.Timeout{}, policy.Timeout{}, policy.Retry{}), []string{"two Timeouts on the same side", "the right order"}},
		{l(policy.Retry{}, policy.Timeout{}, policy.Timeout{}), []string{"two Timeouts on the same side", "the right order"}},
		{l(policy.Timeout{After: time.Second}, policy.Retry{}, policy.Timeout{}), []string{"Timeout.After", "1s", "at least", "2s"}},
		{l(policy.Timeout{Abandon: true}, policy.Breaker{}), []string{"Abandon", "outside of Breaker", "the right order"}},
	} {
		c, err := policy.New(row.layers...)
		if err == nil || c != nil {
			t.Errorf("%+v: no error", row.layers)
			continue
		}
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%v is not an ErrInvalid", err)
		}
		for _, s := range append(row.says, "policy: ") {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%+v: the error %q does not say %q", row.layers, err, s)
			}
		}
		if value, _ := caught(func() { policy.Must(row.layers...) }); value != err.Error() {
			t.Errorf("Must panics with %v; want the text %q", value, err)
		}
	}
}

// nilPolicy is a policy of failsafe-go that is a nil pointer.
type nilPolicy struct{}

func (*nilPolicy) ToExecutor(any) any { return nil }

func TestNew_TakesWhatWorks(t *testing.T) {
	for _, layers := range [][]policy.Layer{
		{},
		{policy.Timeout{After: time.Minute}, policy.Retry{}, policy.Hedge{}, policy.Breaker{}, policy.RateLimit{}, policy.Bulkhead{}, policy.Timeout{}},
		{policy.RateLimit{}, policy.Bulkhead{}, policy.Retry{}, policy.Breaker{}},
		{policy.Timeout{}, policy.Hedge{}, policy.Timeout{}},
		{policy.Timeout{}, policy.Breaker{}},
		{policy.Timeout{Abandon: true, After: time.Minute}, policy.Retry{}, policy.Breaker{}, policy.Timeout{Abandon: true}},
		{&policy.Retry{}, &policy.Breaker{}, &policy.Timeout{}},
		{policy.Retry{Delay: 10 * time.Second}, policy.Breaker{FailureRate: 1}},
		{policy.Retry{MaxDelay: time.Millisecond}},
		{policy.From(fallback.NewWithResult[any](1)), policy.Retry{}, policy.From(fallback.NewWithResult[any](2))},
	} {
		c, err := policy.New(layers...)
		if err != nil {
			t.Errorf("%+v: %v", layers, err)
			continue
		}
		if v, err := policy.Call(t.Context(), c, answer); v != 42 || err != nil {
			t.Errorf("%+v: %v, %v; want 42", layers, v, err)
		}
		if got := len(c.State().Layers); got != len(layers) {
			t.Errorf("State has %d layers; want %d", got, len(layers))
		}
	}
}

func TestChain_NilAddsNothing(t *testing.T) {
	var c *policy.Chain
	if v, err := policy.Call(t.Context(), c, answer); v != 42 || err != nil {
		t.Errorf("Call: %v, %v; want 42", v, err)
	}
	if err := c.Do(t.Context(), unavailable); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Do: %v; want the function's error", err)
	}
	if s := c.State(); s.Calls != 0 || s.Layers != nil {
		t.Errorf("State: %+v; want the zero value", s)
	}
	c.OnChange(func(policy.Event) {})()
}
