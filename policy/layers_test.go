package policy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/fallback"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestIsFailure(t *testing.T) {
	for _, row := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("nobody knows"), true},
		{core.ErrUnavailable, true},
		{core.ErrThrottled, true},
		{context.DeadlineExceeded, true},
		{policy.ErrTimeout, true},
		{&core.Error{Driver: "d", Op: "o", Kind: core.ErrUnavailable, Err: context.Canceled}, true},
		{errors.Join(core.ErrNotFound, core.ErrUnavailable), true},
		{context.Canceled, false},
		{core.ErrNotFound, false},
		{core.ErrDenied, false},
		{core.ErrInvalid, false},
		{core.ErrConflict, false},
		{core.ErrRevisionGone, false},
		{core.ErrCorrupt, false},
		{core.ErrClosed, false},
		{policy.ErrOpen, false},
		{policy.ErrFull, false},
		{policy.ErrLimited, false},
		{fmt.Errorf("above: %w", policy.ErrFull), false},
	} {
		if got := policy.IsFailure(row.err); got != row.want {
			t.Errorf("IsFailure(%v) is %v; want %v", row.err, got, row.want)
		}
	}
}

func TestErrors_AreOfKindsOfCore(t *testing.T) {
	for _, row := range []struct{ err, kind error }{
		{policy.ErrOpen, core.ErrUnavailable},
		{policy.ErrTimeout, core.ErrUnavailable},
		{policy.ErrTimeout, context.DeadlineExceeded},
		{policy.ErrFull, core.ErrThrottled},
		{policy.ErrLimited, core.ErrThrottled},
	} {
		if !errors.Is(row.err, row.kind) {
			t.Errorf("%v is not %v", row.err, row.kind)
		}
	}
}

func TestRetry_NotWhatWillNotHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, err := range []error{
			core.ErrNotFound, core.ErrDenied, core.ErrInvalid, core.ErrConflict, context.Canceled,
			policy.ErrOpen, policy.ErrFull, policy.ErrLimited,
		} {
			c := policy.Must(policy.Retry{If: func(e error) bool { return policy.IsFailure(e) }})
			tries := 0
			if got := c.Do(t.Context(), func(context.Context) error { tries++; return err }); got != err { //nolint:errorlint // as it is
				t.Errorf("the error is %v; want %v as it is", got, err)
			}
			if tries != 1 {
				t.Errorf("%v was tried %d times; want once", err, tries)
			}
		}
		// A refusal is not tried again, whatever If says.
		c := policy.Must(policy.Retry{If: func(error) bool { return true }})
		tries := 0
		_ = c.Do(t.Context(), func(context.Context) error { tries++; return policy.ErrFull })
		if tries != 1 {
			t.Errorf("a refusal was tried %d times; want once", tries)
		}
	})
}

// later is an error that says when to come back.
type later time.Duration

func (later) Error() string               { return "later" }
func (l later) RetryAfter() time.Duration { return time.Duration(l) }

func TestRetry_BelievesRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			after time.Duration
			tries int
			takes time.Duration
		}{
			{300 * time.Millisecond, 3, 600 * time.Millisecond},
			{time.Second, 3, 2 * time.Second},
			{time.Second + 1, 1, 0}, // longer than MaxDelay: not again
		} {
			c := policy.Must(policy.Retry{})
			begun, tries := time.Now(), 0
			_ = c.Do(t.Context(), func(context.Context) error { tries++; return fmt.Errorf("busy: %w", later(row.after)) })
			if d := time.Since(begun); tries != row.tries || d != row.takes {
				t.Errorf("RetryAfter %v: %d tries in %v; want %d in %v", row.after, tries, d, row.tries, row.takes)
			}
		}
	})
}

func TestRetry_ReportsWhatItMetBeforeItWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused")
		c := policy.Must(policy.Retry{}, policy.Breaker{MinCalls: 2})
		err := c.Do(t.Context(), func(context.Context) error { return broken })
		if !errors.Is(err, policy.ErrOpen) || !errors.Is(err, broken) {
			t.Errorf("the error is %v; want ErrOpen and the failure before it", err)
		}
	})
}

func TestBulkhead_RefusesOrWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hold := func(context.Context) error { <-release; return nil }
		c := policy.Must(policy.Breaker{MinCalls: 1}, policy.Bulkhead{MaxConcurrent: 2, MaxWait: time.Second})
		for range 2 {
			go func() { _ = c.Do(t.Context(), hold) }()
		}
		synctest.Wait()
		begun := time.Now()
		if err := c.Do(t.Context(), succeed); err != policy.ErrFull || time.Since(begun) != time.Second { //nolint:errorlint // as it is
			t.Errorf("a third call: %v after %v; want ErrFull after 1s", err, time.Since(begun))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("gone")
		go func() { time.Sleep(time.Millisecond); cancel(cause) }()
		if err := c.Do(ctx, succeed); !errors.Is(err, cause) {
			t.Errorf("a call cancelled while it waited: %v; want the cause", err)
		}
		if l, _ := c.State().Layer("bulkhead"); l.InFlight != 2 || l.Rejected != 2 {
			t.Errorf("%d in flight, %d rejected; want 2, 2", l.InFlight, l.Rejected)
		}
		if l := breakerOf(t, c); l.Breaker != policy.Closed || l.Calls != 0 {
			t.Errorf("the breaker counted %d refusals and is %v", l.Calls, l.Breaker)
		}
		go func() { time.Sleep(time.Millisecond); close(release) }()
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("a call that found a place while it waited: %v", err)
		}
	})
}

func TestBulkhead_WaitCutByTheChainsTimeoutIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := policy.Must(policy.Timeout{After: time.Second}, policy.Breaker{MinCalls: 1}, policy.Bulkhead{MaxConcurrent: 1, MaxWait: time.Hour})
		go func() { _ = c.Do(t.Context(), func(context.Context) error { <-release; return nil }) }()
		synctest.Wait()
		err := c.Do(t.Context(), succeed)
		if !errors.Is(err, policy.ErrFull) || !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("the error is %v; want ErrFull and ErrTimeout", err)
		}
		if l := breakerOf(t, c); l.Breaker != policy.Closed {
			t.Errorf("the breaker is %v, though nothing was called", l.Breaker)
		}
		close(release)
		synctest.Wait()
	})
}

func TestRateLimit_KeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		even := policy.Must(policy.RateLimit{Rate: 10, Burst: 1, MaxWait: time.Minute})
		begun := time.Now()
		for range 21 {
			if err := even.Do(t.Context(), succeed); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(begun); d != 2*time.Second {
			t.Errorf("21 calls at 10 per second took %v; want 2s", d)
		}
		burst := policy.Must(policy.RateLimit{Rate: 10})
		passed := 0
		for range 25 {
			switch err := burst.Do(t.Context(), succeed); {
			case err == nil:
				passed++
			case !errors.Is(err, policy.ErrLimited):
				t.Fatalf("beyond the rate: %v; want ErrLimited", err)
			}
		}
		if l := burst.State().Layers[0]; passed != 10 || l.Rejected != 15 {
			t.Errorf("%d passed and %d were rejected; want 10 and 15", passed, l.Rejected)
		}
		// A turn that comes after the deadline is not waited for.
		_ = even.Do(t.Context(), succeed)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun = time.Now()
		if err := even.Do(ctx, succeed); !errors.Is(err, policy.ErrLimited) || time.Since(begun) != 0 {
			t.Errorf("a turn after the deadline: %v after %v; want ErrLimited at once", err, time.Since(begun))
		}
	})
}

func TestHedge_TakesTheFirstThatDoesNotFail(t *testing.T) {
	type result struct {
		takes time.Duration
		err   error
	}
	for _, row := range []struct {
		name   string
		tries  []result
		want   int // the try that wins; -1 for its error
		err    error
		takes  time.Duration
		hedges int64
	}{
		{"fast", []result{{10 * time.Millisecond, nil}}, 0, nil, 10 * time.Millisecond, 0},
		{"slow", []result{{time.Hour, nil}, {10 * time.Millisecond, nil}}, 1, nil, 110 * time.Millisecond, 1},
		{"the first after all", []result{{150 * time.Millisecond, nil}, {time.Hour, nil}}, 0, nil, 150 * time.Millisecond, 1},
		{"a failure is waited past", []result{{200 * time.Millisecond, nil}, {10 * time.Millisecond, core.ErrUnavailable}, {time.Hour, nil}}, 0, nil, 200 * time.Millisecond, 1},
		{"an answer is taken", []result{{time.Hour, nil}, {10 * time.Millisecond, core.ErrNotFound}}, -1, core.ErrNotFound, 110 * time.Millisecond, 1},
		{"a failure alone is not hedged", []result{{10 * time.Millisecond, core.ErrUnavailable}}, -1, core.ErrUnavailable, 10 * time.Millisecond, 0},
		{"all fail", []result{{300 * time.Millisecond, errUnknown}, {10 * time.Millisecond, core.ErrUnavailable}, {10 * time.Millisecond, core.ErrUnavailable}}, -1, errUnknown, 300 * time.Millisecond, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := policy.Must(policy.Hedge{MaxHedges: 2}, policy.Breaker{MinCalls: 1, FailureRate: 1})
				tries := make(chan int, 3)
				for i := range 3 {
					tries <- i
				}
				begun := time.Now()
				v, err := policy.Call(t.Context(), c, func(ctx context.Context) (int, error) {
					i := <-tries
					if i >= len(row.tries) {
						i = len(row.tries) - 1
					}
					select {
					case <-time.After(row.tries[i].takes):
						return i, row.tries[i].err
					case <-ctx.Done():
						return -2, ctx.Err()
					}
				})
				d := time.Since(begun)
				if !errors.Is(err, row.err) || err == nil && v != row.want || d != row.takes {
					t.Errorf("%d, %v after %v; want %d, %v after %v", v, err, d, row.want, row.err, row.takes)
				}
				synctest.Wait()
				l, _ := c.State().Layer("hedge")
				if l.Abandoned != 0 {
					t.Errorf("%d losers still run", l.Abandoned)
				}
				if row.name != "a failure is waited past" && l.Hedges != row.hedges {
					t.Errorf("%d hedges; want %d", l.Hedges, row.hedges)
				}
				if b := breakerOf(t, c); row.err == nil && row.name != "a failure is waited past" && b.Breaker != policy.Closed {
					t.Errorf("losers that were cancelled opened the breaker: %+v", b)
				}
			})
		})
	}
}

func TestTimeout_AbandonsOnlySoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c := policy.Must(policy.Timeout{After: time.Second, Abandon: true, MaxAbandoned: 3})
		for range 3 {
			if err := c.Do(t.Context(), func(context.Context) error { <-hang; return nil }); !errors.Is(err, policy.ErrTimeout) {
				t.Fatalf("a function that hangs: %v; want ErrTimeout", err)
			}
		}
		if err := c.Do(t.Context(), succeed); !errors.Is(err, policy.ErrFull) {
			t.Errorf("with three abandoned: %v; want ErrFull", err)
		}
		close(hang)
		synctest.Wait()
		if err := c.Do(t.Context(), succeed); err != nil {
			t.Errorf("after they have ended: %v", err)
		}
	})
}

func TestTimeout_AbandonFreesACallerWhoCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1}, policy.Timeout{After: time.Hour, Abandon: true})
		cause := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		begun := time.Now()
		err := c.Do(ctx, func(context.Context) error { time.Sleep(time.Minute); return nil })
		if err != cause || time.Since(begun) != time.Second { //nolint:errorlint // never wrapped
			t.Errorf("%v after %v; want the cause after 1s", err, time.Since(begun))
		}
		if l := breakerOf(t, c); l.Breaker != policy.Closed || l.Calls != 0 {
			t.Errorf("a cancel counted: %+v", l)
		}
		time.Sleep(time.Hour)
	})
}

func TestTimeout_KeepsAnswersAndJoinsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, abandon := range []bool{false, true} {
			c := policy.Must(policy.Timeout{After: time.Second, Abandon: abandon})
			err := c.Do(t.Context(), func(ctx context.Context) error { return core.ErrDenied })
			if err != core.ErrDenied { //nolint:errorlint // as it is
				t.Errorf("the error is %v; want that of the function as it is", err)
			}
		}
		c := policy.Must(policy.Timeout{After: time.Second})
		err := c.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return core.ErrNotFound })
		if err != core.ErrNotFound { //nolint:errorlint // as it is
			t.Errorf("an answer that came late: %v; want it as it is", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }); errors.Is(err, policy.ErrTimeout) {
			t.Errorf("the caller's own deadline: %v; that is no ErrTimeout", err)
		}
	})
}

func TestFrom_RunsAnyPolicyOfFailsafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(context.Context) (int, error) { return 0, core.ErrUnavailable }
		for _, row := range []struct {
			layer policy.Layer
			want  int
			err   error
		}{
			{policy.From(fallback.NewWithResult[any](7)), 7, nil},
			{policy.From(fallback.NewWithResult[any]("seven")), 0, core.ErrInvalid},
			{policy.From(retrypolicy.NewWithDefaults[any]()), 0, core.ErrUnavailable},
			{policy.From(timeout.New[any](time.Second)), 0, core.ErrUnavailable},
			{policy.From(bulkhead.New[any](0)), 0, policy.ErrFull},
		} {
			c := policy.Must(row.layer)
			if v, err := policy.Call(t.Context(), c, fails); v != row.want || !errors.Is(err, row.err) {
				t.Errorf("%d, %v; want %d, %v", v, err, row.want, row.err)
			}
			if err := c.Do(t.Context(), succeed); err != nil && row.err != policy.ErrFull { //nolint:errorlint // of the table
				t.Errorf("Do: %v", err)
			}
		}
		open := circuitbreaker.NewWithDefaults[any]()
		open.Open()
		limited := ratelimiter.NewBursty[any](1, time.Hour)
		limited.TryAcquirePermit()
		for layer, want := range map[policy.Layer]error{policy.From(open): policy.ErrOpen, policy.From(limited): policy.ErrLimited} {
			if err := policy.Must(layer).Do(t.Context(), succeed); !errors.Is(err, want) {
				t.Errorf("%v; want %v", err, want)
			}
		}
		slow := policy.Must(policy.From(timeout.New[any](time.Second)))
		if err := slow.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }); !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("%v; want ErrTimeout", err)
		}
	})
}

func TestChain_EndedCtxCallsNothing(t *testing.T) {
	cause := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for name, layers := range everyLayer {
		err := policy.Must(layers...).Do(ctx, func(context.Context) error { t.Error("called"); return nil })
		if err != cause { //nolint:errorlint // as it is
			t.Errorf("%s: %v; want the cause", name, err)
		}
	}
}
