package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// Each trap of failsafe-go 0.9.8 that a chain closes is shown twice: the library
// alone falls into it (if it no longer does, the test says so, and what closes
// the trap here may go), and the chain does not.

func unavailable(context.Context) error { return core.ErrUnavailable }

// stillTrapped fails the test if failsafe-go has closed a trap itself.
func stillTrapped(t *testing.T, trapped bool, what string) {
	t.Helper()
	if !trapped {
		t.Errorf("failsafe-go no longer does this by itself: %s", what)
	}
}

func breakerOf(t *testing.T, c *policy.Chain) policy.LayerState {
	t.Helper()
	l, ok := c.State().Layer("breaker")
	if !ok {
		t.Fatal("the chain has no breaker")
	}
	return l
}

// halfOpen makes a chain with an open breaker whose next call is a probe.
func halfOpen(t *testing.T, layers ...policy.Layer) *policy.Chain {
	t.Helper()
	c := policy.Must(append([]policy.Layer{policy.Breaker{MinCalls: 1, OpenFor: time.Second}}, layers...)...)
	_ = c.Do(t.Context(), unavailable)
	if got := breakerOf(t, c).Breaker; got != policy.Open {
		t.Fatalf("the breaker is %v after a failure; want open", got)
	}
	time.Sleep(time.Second)
	return c
}

// theirs is a breaker of failsafe-go like that of halfOpen.
func theirs(t *testing.T) circuitbreaker.CircuitBreaker[any] {
	t.Helper()
	b := circuitbreaker.NewBuilder[any]().WithDelay(time.Second).
		HandleIf(func(_ any, err error) bool { return policy.IsFailure(err) }).Build()
	_ = failsafe.With[any](b).Run(func() error { return core.ErrUnavailable })
	if !b.IsOpen() {
		t.Fatal("failsafe-go's breaker is not open after a failure")
	}
	time.Sleep(time.Second)
	return b
}

func TestTrap_RetryRepeatsWhatAnOpenBreakerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := circuitbreaker.NewBuilder[any]().WithDelay(time.Hour).Build()
		open.Open()
		begun := time.Now()
		_ = failsafe.With[any](retrypolicy.NewBuilder[any]().WithMaxRetries(5).WithDelay(time.Second).Build(), open).
			Run(func() error { return nil })
		stillTrapped(t, time.Since(begun) == 5*time.Second, "it waits for five retries of what its breaker refuses")

		c := policy.Must(policy.Retry{MaxAttempts: 6, Delay: time.Second}, policy.Breaker{MinCalls: 1, OpenFor: time.Hour})
		_ = c.Do(t.Context(), unavailable)
		before := c.State()
		begun = time.Now()
		err := c.Do(t.Context(), func(context.Context) error { t.Error("an open breaker let a call through"); return nil })
		if !errors.Is(err, policy.ErrOpen) || !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("the error is %v; want an ErrOpen that is ErrUnavailable", err)
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("the refusal took %v; want none", d)
		}
		if a, b := before.Layers[0].Retries, c.State().Layers[0].Retries; a != b {
			t.Errorf("%d retries of what the breaker refused", b-a)
		}
	})
}

func TestTrap_BreakerOutsideOfRetryCountsOneForAllTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := circuitbreaker.NewBuilder[any]().WithFailureThreshold(5).Build()
		_ = failsafe.With[any](b, retrypolicy.NewBuilder[any]().WithMaxRetries(4).Build()).Run(func() error { return core.ErrUnavailable })
		stillTrapped(t, b.IsClosed() && b.Metrics().Failures() == 1, "it counts five failed tries as one failure")

		if _, err := policy.New(policy.Breaker{}, policy.Retry{}); err == nil {
			t.Error("a breaker outside of Retry is allowed")
		}
		c := policy.Must(policy.Retry{MaxAttempts: 5}, policy.Breaker{MinCalls: 5})
		_ = c.Do(t.Context(), unavailable)
		if got := breakerOf(t, c).Breaker; got != policy.Open {
			t.Errorf("the breaker is %v after five failed tries; want open", got)
		}
	})
}

func TestTrap_CallersCancelOpensTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := circuitbreaker.NewBuilder[any]().WithFailureThreshold(3).Build()
		for range 3 {
			_ = failsafe.With[any](b).Run(func() error { return context.Canceled })
		}
		stillTrapped(t, b.IsOpen(), "its breaker opens after three calls that their callers cancelled")

		c := policy.Must(policy.Breaker{MinCalls: 3})
		for i := range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 1 {
				cancel()
				ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(time.Millisecond))
			}
			err := c.Do(ctx, func(ctx context.Context) error {
				if i%2 == 0 {
					cancel()
				}
				<-ctx.Done()
				return core.ErrUnavailable // as a driver says when its request was cut off
			})
			cancel()
			if err == nil {
				t.Fatal("a cancelled call has no error")
			}
		}
		if l := breakerOf(t, c); l.Breaker != policy.Closed || l.Calls != 0 {
			t.Errorf("100 calls that their callers ended: the breaker is %v and counted %d; want closed and 0", l.Breaker, l.Calls)
		}
	})
}

func TestTrap_PanicInTheHalfOpenProbeWedgesTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := theirs(t)
		e := failsafe.With[any](b)
		func() {
			defer func() { _ = recover() }()
			_ = e.Run(func() error { panic("boom") })
		}()
		time.Sleep(24 * time.Hour)
		stillTrapped(t, errors.Is(e.Run(func() error { return nil }), circuitbreaker.ErrOpen),
			"a panic in the half-open probe leaks the permit, and its breaker refuses for ever")

		c := halfOpen(t)
		func() {
			defer func() { _ = recover() }()
			_ = c.Do(t.Context(), func(context.Context) error { panic("boom") })
		}()
		if got := breakerOf(t, c).Breaker; got != policy.Open {
			t.Errorf("the breaker is %v after a probe that panicked; want open", got)
		}
		time.Sleep(time.Second)
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("the next probe: %v", err)
		}
		if got := breakerOf(t, c).Breaker; got != policy.Closed {
			t.Errorf("the breaker is %v after a probe that succeeded; want closed", got)
		}
	})
}

func TestTrap_CancelledProbeClosesTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := theirs(t) // it is told that a cancel is no failure
		_ = failsafe.With[any](b).Run(func() error { return context.Canceled })
		stillTrapped(t, b.IsClosed(), "an error that is excluded counts as a success, so that a cancelled probe closes its breaker")

		c := halfOpen(t)
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			_ = c.Do(ctx, func(context.Context) error { cancel(); return ctx.Err() })
			if got := breakerOf(t, c).Breaker; got != policy.HalfOpen {
				t.Fatalf("the breaker is %v after a cancelled probe; want half-open", got)
			}
		}
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("the cancelled probes kept their places: %v", err)
		}
		if got := breakerOf(t, c).Breaker; got != policy.Closed {
			t.Errorf("the breaker is %v; want closed", got)
		}
	})
}

func TestTrap_HungProbeWedgesTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := theirs(t)
		e := failsafe.With[any](b)
		go func() { _ = e.Run(func() error { <-hang; return nil }) }()
		synctest.Wait()
		time.Sleep(24 * time.Hour)
		stillTrapped(t, errors.Is(e.Run(func() error { return nil }), circuitbreaker.ErrOpen),
			"a probe that hangs keeps its breaker half-open, and everybody else refused")

		c := halfOpen(t)
		go func() { _ = c.Do(t.Context(), func(context.Context) error { <-hang; return nil }) }()
		synctest.Wait()
		if err := c.Do(t.Context(), succeed); !errors.Is(err, policy.ErrOpen) {
			t.Errorf("beside a probe: %v; want ErrOpen", err)
		}
		time.Sleep(time.Second)
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("after OpenFor beside a probe that hangs: %v; want the next probe", err)
		}
		if got := breakerOf(t, c).Breaker; got != policy.Closed {
			t.Errorf("the breaker is %v; want closed", got)
		}
		close(hang)
		synctest.Wait()
	})
}

func TestTrap_LateOutcomeOfACallBeforeTheOutageDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan struct{})
		b := circuitbreaker.NewBuilder[any]().WithDelay(time.Second).WithSuccessThreshold(2).Build()
		e := failsafe.With[any](b)
		go func() { _ = e.Run(func() error { <-late; return core.ErrUnavailable }) }()
		synctest.Wait()
		b.Open()
		time.Sleep(time.Second)
		_ = e.Run(func() error { return nil }) // the first probe of two
		late <- struct{}{}
		synctest.Wait()
		stillTrapped(t, b.IsOpen(), "a call that began before the breaker opened counts as a probe")

		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second, HalfOpenProbes: 2})
		go func() { _ = c.Do(t.Context(), func(context.Context) error { <-late; return core.ErrUnavailable }) }()
		synctest.Wait()
		_ = c.Do(t.Context(), unavailable)
		time.Sleep(time.Second)
		_ = c.Do(t.Context(), succeed)
		late <- struct{}{}
		synctest.Wait()
		if l := breakerOf(t, c); l.Breaker != policy.HalfOpen {
			t.Errorf("the breaker is %v after the late failure of a call from before; want half-open", l.Breaker)
		}
		if err := c.Do(t.Context(), succeed); err != nil || breakerOf(t, c).Breaker != policy.Closed {
			t.Errorf("the second probe: %v, and the breaker is %v; want closed", err, breakerOf(t, c).Breaker)
		}
	})
}

func TestTrap_TimeoutSetsNoDeadlineAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var deadline bool
		_ = failsafe.With[any](timeout.New[any](50 * time.Millisecond)).RunWithExecution(func(exec failsafe.Execution[any]) error {
			_, deadline = exec.Context().Deadline()
			time.Sleep(700 * time.Millisecond)
			return nil
		})
		stillTrapped(t, !deadline, "its timeout sets no deadline")
		stillTrapped(t, time.Since(begun) == 700*time.Millisecond, "its timeout waits for a function that does not heed its ctx")

		c := policy.Must(policy.Timeout{After: 50 * time.Millisecond, Abandon: true})
		begun = time.Now()
		_, err := policy.Call(t.Context(), c, func(ctx context.Context) (int, error) {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != 50*time.Millisecond {
				t.Errorf("the deadline is %v, %v; want in 50 ms", d, ok)
			}
			time.Sleep(700 * time.Millisecond)
			return 1, nil
		})
		if d := time.Since(begun); d != 50*time.Millisecond {
			t.Errorf("the caller was freed after %v; want 50 ms", d)
		}
		if !errors.Is(err, policy.ErrTimeout) || !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v; want an ErrTimeout that is ErrUnavailable and DeadlineExceeded", err)
		}
		if l := c.State().Layers[0]; l.Abandoned != 1 || l.Timeouts != 1 {
			t.Errorf("%d abandoned and %d timeouts; want 1 and 1", l.Abandoned, l.Timeouts)
		}
		time.Sleep(time.Second)
		if l := c.State().Layers[0]; l.Abandoned != 0 {
			t.Errorf("%d abandoned after the function has ended; want 0", l.Abandoned)
		}
	})
}

func TestTrap_TimeoutThrowsAwayAnAnswerThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func() (any, error) { time.Sleep(time.Second); return 42, nil }
		_, err := failsafe.With[any](timeout.New[any](50 * time.Millisecond)).Get(late)
		stillTrapped(t, errors.Is(err, timeout.ErrExceeded), "its timeout throws away an answer that it has waited for")

		v, err := policy.Call(t.Context(), policy.Must(policy.Timeout{After: 50 * time.Millisecond}), func(context.Context) (any, error) { return late() })
		if v != 42 || err != nil {
			t.Errorf("the late answer is %v, %v; want 42", v, err)
		}
	})
}

func TestTrap_TimeoutOutsideOfTheBreakerIsACancelToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := circuitbreaker.NewBuilder[any]().HandleIf(func(_ any, err error) bool { return policy.IsFailure(err) }).Build()
		_ = failsafe.With[any](timeout.New[any](50*time.Millisecond), b).RunWithExecution(func(exec failsafe.Execution[any]) error {
			<-exec.Context().Done()
			return exec.Context().Err()
		})
		stillTrapped(t, b.IsClosed(), "a breaker inside of its timeout sees a cancel")

		for _, err := range []error{context.Canceled, context.DeadlineExceeded, core.ErrUnavailable, errors.New("cut off")} {
			c := policy.Must(policy.Timeout{After: 50 * time.Millisecond}, policy.Breaker{MinCalls: 1})
			got := c.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return err })
			if !errors.Is(got, policy.ErrTimeout) || !errors.Is(got, err) {
				t.Errorf("the error is %v; want an ErrTimeout with %v", got, err)
			}
			if l := breakerOf(t, c); l.Breaker != policy.Open {
				t.Errorf("the breaker is %v after a timeout further out (%v); want open", l.Breaker, err)
			}
		}
	})
}

func TestTrap_RetryDoesNotWaitAndHidesTheFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := failsafe.With[any](retrypolicy.NewWithDefaults[any]()).Run(func() error { return core.ErrUnavailable })
		stillTrapped(t, time.Since(begun) == 0, "its retry does not wait between tries")
		stillTrapped(t, err != core.ErrUnavailable, "its retry returns an error of its own") //nolint:errorlint // whether it is the error itself

		c := policy.Must(policy.Retry{})
		c.SetDraw(func(d time.Duration) time.Duration { return d })
		begun = time.Now()
		if err := c.Do(t.Context(), unavailable); err != core.ErrUnavailable { //nolint:errorlint // the error itself
			t.Errorf("the error is %v; want that of the last try, as it is", err)
		}
		if d := time.Since(begun); d != 150*time.Millisecond {
			t.Errorf("three tries took %v; want 50 ms + 100 ms", d)
		}
	})
}

func TestTrap_BudgetLetsFastFailuresThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 1000
		tries := 0
		count := func() error { tries++; return core.ErrUnavailable }
		e := failsafe.With[any](retrypolicy.NewBuilder[any]().WithMaxRetries(2).WithBudget(budget.New()).Build())
		for range calls {
			_ = e.Run(count)
		}
		stillTrapped(t, tries == 3*calls, "its budget bounds retries at a time, not retries")

		tries = 0
		shared := &policy.RetryBudget{}
		a, b := policy.Must(policy.Retry{Budget: shared}), policy.Must(policy.Retry{Budget: shared})
		for _, c := range []*policy.Chain{a, b} {
			c.SetDraw(func(time.Duration) time.Duration { return 0 })
		}
		for range calls / 2 {
			_ = a.Do(t.Context(), func(context.Context) error { return count() })
			_ = b.Do(t.Context(), func(context.Context) error { return count() })
		}
		// A second's worth to begin with, and 0.2 for each call; no time has passed.
		if want := calls + calls/5 + 1; tries < want-1 || tries > want {
			t.Errorf("%d calls made %d tries; want %d", calls, tries, want)
		}
		if refused := a.State().Layers[0].Rejected + b.State().Layers[0].Rejected; refused == 0 {
			t.Error("no retry was counted as refused")
		}
	})
}

func TestTrap_ComposingChangesASharedExecutor(t *testing.T) {
	open := circuitbreaker.NewBuilder[any]().Build()
	open.Open()
	e := failsafe.With[any]()
	e.Compose(open)
	stillTrapped(t, e.Run(func() error { return nil }) != nil, "Compose changes the executor that others share")

	layers := []policy.Layer{&policy.Breaker{MinCalls: 1}}
	c := policy.Must(layers...)
	layers[0].(*policy.Breaker).MinCalls = 100
	layers[0] = policy.Bulkhead{}
	_ = c.Do(t.Context(), unavailable)
	if err := c.Do(t.Context(), succeed); !errors.Is(err, policy.ErrOpen) {
		t.Errorf("a chain changed with the layers it was made of: %v; want ErrOpen", err)
	}
}
