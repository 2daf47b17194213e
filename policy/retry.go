package policy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Retry tries again what failed, with exponential backoff and full jitter. Only
// what is safe to do twice should be retried: a try that timed out may have had
// its effect.
//
// The wait before retry n (from 0) is random between 0 and Delay * Multiplier^n,
// at most MaxDelay. After a [core.ErrThrottled] it is random between half of
// MaxDelay and MaxDelay. An error that says itself when to come back, by a method
// RetryAfter() time.Duration that errors.As finds, is believed: the wait is that
// long, and if that is longer than MaxDelay, there is no retry.
//
// Nothing is tried again once the caller's ctx has ended, and no wait is begun
// that the deadline of ctx or MaxElapsed would cut short: the failure is returned
// at once, so that a fallback still has time.
type Retry struct {
	// MaxAttempts is how often the function is called at most, the first included,
	// 1 to 100. Default 3.
	MaxAttempts int
	// Delay is the longest wait before the first retry, at most MaxDelay. Default
	// 50 ms, or MaxDelay if that is shorter.
	Delay time.Duration
	// MaxDelay is the longest wait of all, at most 24 h. Default 1 s, or Delay if
	// that is longer.
	MaxDelay time.Duration
	// Multiplier is how much the longest wait grows from one retry to the next, 1
	// to 100. Default 2.
	Multiplier float64
	// MaxElapsed is how long after the first try a retry may begin, at most 24 h.
	// It does not interrupt a try: that is for [Timeout]. Default 0, no bound.
	MaxElapsed time.Duration
	// If reports whether an error is worth another try. It is not asked about what
	// is never tried again: refusals ([ErrOpen], [ErrFull], [ErrLimited]) and
	// whatever happens once ctx has ended. Default [IsFailure].
	If func(error) bool
	// Budget bounds the retries of all chains that share it. Default nil, no bound.
	Budget *RetryBudget
}

func (Retry) kind() string { return "retry" }

func (l Retry) check() error {
	err := first(
		within("Retry.MaxAttempts", l.MaxAttempts, 1, 100),
		atMost("Retry.Delay", l.Delay, longest),
		atMost("Retry.MaxDelay", l.MaxDelay, longest),
		within("Retry.Multiplier", l.Multiplier, 1, 100),
		atMost("Retry.MaxElapsed", l.MaxElapsed, longest),
	)
	if err == nil && l.MaxDelay > 0 && l.Delay > l.MaxDelay {
		err = refuse("Retry.Delay is %v; it must be at most MaxDelay, which is %v", l.Delay, l.MaxDelay)
	}
	if err == nil && l.Budget != nil {
		err = l.Budget.check()
	}
	return err
}

func (l Retry) build(*plan) step {
	l.MaxAttempts = or(l.MaxAttempts, 3)
	l.Multiplier = or(l.Multiplier, 2)
	if l.MaxDelay == 0 {
		l.MaxDelay = max(time.Second, l.Delay)
	}
	if l.Delay == 0 {
		l.Delay = min(50*time.Millisecond, l.MaxDelay)
	}
	if l.If == nil {
		l.If = IsFailure
	}
	return &retryStep{Retry: l, draw: draw}
}

// draw returns a random duration in [0, d].
func draw(d time.Duration) time.Duration { return rand.N(d + 1) }

type retryStep struct {
	Retry
	draw     func(time.Duration) time.Duration
	retries  atomic.Int64
	rejected atomic.Int64
}

func (s *retryStep) state() LayerState {
	return LayerState{Kind: s.kind(), Retries: s.retries.Load(), Rejected: s.rejected.Load()}
}

func (s *retryStep) do(ctx context.Context, rest []step, r runner) error {
	if s.Budget != nil {
		s.Budget.Deposit()
	}
	var begun time.Time // read only if needed: it is a third of what a success costs here
	if s.MaxElapsed > 0 {
		begun = time.Now()
	}
	err := run(ctx, rest, r)
	if err == nil {
		return nil
	}
	longest := s.Delay
	for attempt := 1; ; attempt++ {
		if attempt >= s.MaxAttempts || ctx.Err() != nil || isRefusal(err) || !s.If(err) {
			return err
		}
		wait, ok := s.wait(longest, err)
		if !ok || !s.fits(ctx, begun, wait) {
			return err
		}
		if s.Budget != nil && !s.Budget.Withdraw() {
			s.rejected.Add(1)
			return err
		}
		if cause := pause(ctx, wait); cause != nil {
			return &compound{cause, err}
		}
		s.retries.Add(1)
		again := run(ctx, rest, r)
		if again == nil {
			return nil
		}
		if isRefusal(again) {
			// What the last real try met says more than that this one was refused.
			return &compound{again, err}
		}
		err = again
		longest = s.grow(longest)
	}
}

// grow returns the longest wait after the one of d.
func (s *retryStep) grow(d time.Duration) time.Duration {
	if next := float64(d) * s.Multiplier; next < float64(s.MaxDelay) {
		return time.Duration(next)
	}
	return s.MaxDelay
}

// wait returns how long to wait before the next try, and whether there is one.
func (s *retryStep) wait(longest time.Duration, err error) (time.Duration, bool) {
	if after, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		if d := after.RetryAfter(); d > 0 {
			return d, d <= s.MaxDelay
		}
	}
	if errors.Is(err, core.ErrThrottled) {
		half := s.MaxDelay / 2
		return half + s.draw(s.MaxDelay-half), true
	}
	return s.draw(longest), true
}

// fits reports whether a retry after a wait would begin in time.
func (s *retryStep) fits(ctx context.Context, begun time.Time, wait time.Duration) bool {
	if s.MaxElapsed > 0 && time.Since(begun)+wait > s.MaxElapsed {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// pause waits for d. It returns the cause if ctx ended before.
func pause(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
