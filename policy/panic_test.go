package policy_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/fallback"

	"github.com/holdfast-go/holdfast/policy"
)

// explode is what the stack of a panic must show.
func explode(context.Context) error { panic(errBoom) }

var errBoom = errors.New("boom")

// everyLayer is one chain per layer, and one of all of them.
var everyLayer = map[string][]policy.Layer{
	"none":            {},
	"retry":           {policy.Retry{}},
	"breaker":         {policy.Breaker{}},
	"timeout":         {policy.Timeout{}},
	"timeout abandon": {policy.Timeout{Abandon: true}},
	"bulkhead":        {policy.Bulkhead{MaxConcurrent: 1}},
	"ratelimit":       {policy.RateLimit{}},
	"hedge":           {policy.Hedge{}},
	"failsafe":        {policy.From(fallback.NewWithResult[any](7))},
	"all": {
		policy.Timeout{After: time.Minute}, policy.Retry{}, policy.Hedge{}, policy.Breaker{}, policy.RateLimit{},
		policy.Bulkhead{MaxConcurrent: 1}, policy.Timeout{Abandon: true},
	},
}

func TestPanic_PassesThroughEveryLayerWithValueAndStack(t *testing.T) {
	for name, layers := range everyLayer {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := policy.Must(layers...)
				for range 3 { // and again: the layer is as it was
					value, stack := caught(func() { _ = c.Do(t.Context(), explode) })
					own := strings.Contains(name, "abandon") || name == "hedge" || name == "all"
					if p, ok := value.(*policy.PanicError); ok && own {
						value, stack = p.Value, string(p.Stack)
						if !errors.Is(p, errBoom) {
							t.Errorf("%v is not the error that the function panicked with", p)
						}
					}
					if value != errBoom { //nolint:errorlint // the value itself
						t.Errorf("the panic is %v; want the value of the function", value)
					}
					if !strings.Contains(stack, "policy_test.explode") {
						t.Errorf("the stack lacks the function that panicked:\n%s", stack)
					}
				}
				if v, err := policy.Call(t.Context(), c, answer); v != 42 || err != nil {
					t.Errorf("after panics: %v, %v; want 42", v, err)
				}
				if s := c.State(); s.InFlight != 0 {
					t.Errorf("%d calls in flight after all returned", s.InFlight)
				}
				if l, ok := c.State().Layer("bulkhead"); ok && l.InFlight != 0 {
					t.Errorf("%d places of the bulkhead are still taken", l.InFlight)
				}
				if l, ok := c.State().Layer("breaker"); ok && l.Calls != 4 {
					t.Errorf("the breaker counted %d calls; want 3 panics and 1 success", l.Calls)
				}
			})
		})
	}
}

// caught returns the value of f's panic, and the stack as a deferred function of
// a caller sees it.
func caught(f func()) (value any, stack string) {
	defer func() {
		stack = string(debug.Stack())
		value = recover()
	}()
	f()
	return nil, ""
}

func TestPanic_GoexitEndsTheCallersGoroutine(t *testing.T) {
	for name, layers := range everyLayer {
		c := policy.Must(layers...)
		after := false
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = c.Do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
			after = true
		})
		wg.Wait()
		if after {
			t.Errorf("%s: the caller went on after its function ended the goroutine", name)
		}
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("%s: after that: %v", name, err)
		}
	}
}

func TestPanic_OfAnAbandonedFunctionIsShownInState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Timeout{After: time.Second, Abandon: true})
		err := c.Do(t.Context(), func(ctx context.Context) error { time.Sleep(time.Minute); return explode(ctx) })
		if !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("the error is %v; want ErrTimeout", err)
		}
		if l := c.State().Layers[0]; l.Abandoned != 1 || l.LatePanics != 0 {
			t.Errorf("%d abandoned, %d late panics; want 1, 0", l.Abandoned, l.LatePanics)
		}
		time.Sleep(time.Hour)
		l := c.State().Layers[0]
		if l.Abandoned != 0 || l.LatePanics != 1 || l.LastPanic == nil || !errors.Is(l.LastPanic, errBoom) ||
			!strings.Contains(string(l.LastPanic.Stack), "policy_test.explode") {
			t.Errorf("%d abandoned, %d late panics, the last %v; want 0, 1, and boom with its stack", l.Abandoned, l.LatePanics, l.LastPanic)
		}
	})
}
