package policy

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// Timeout bounds how long a call or a try takes. Inside of [Retry] (given after
// it) it is for each try; outside of it for the call as a whole, all tries and
// waits included. A chain may have one of each.
//
// The function gets a ctx with the deadline, so that it reaches the wire. When
// the time is up and the function fails, the error is an [ErrTimeout] joined with
// what it returned; an answer that comes late ([IsFailure] says what is none) is
// returned as it is. The caller's own deadline and cancel are not a timeout.
type Timeout struct {
	// After is the time, 1 us to 24 h. Default 2 s.
	After time.Duration
	// Abandon also frees the caller of a function that does not heed its ctx: when
	// ctx ends, by this timeout or by the caller, the function is left alone on a
	// goroutine of its own, and its outcome is dropped. It costs a goroutine per
	// try. What the function holds it goes on holding, a place of a [Bulkhead]
	// further in included. The function must not write to variables of its caller:
	// use [Call]. Default false: the call returns when the function does.
	Abandon bool
	// MaxAbandoned is how many abandoned functions may still run, 1 to 1e6; with so
	// many of them calls are refused with [ErrFull]. Default 1000.
	MaxAbandoned int
}

func (Timeout) kind() string { return "timeout" }

func (l Timeout) check() error {
	return first(
		within("Timeout.After", l.After, time.Microsecond, longest),
		within("Timeout.MaxAbandoned", l.MaxAbandoned, 1, 1_000_000),
	)
}

// after is After or its default.
func (l Timeout) after() time.Duration { return or(l.After, 2*time.Second) }

func (l Timeout) build(p *plan) step {
	l.After = l.after()
	l.MaxAbandoned = or(l.MaxAbandoned, 1000)
	s := &timeoutStep{
		Timeout: l,
		cause:   &sentinel{"policy: timeout after " + l.After.String(), []error{ErrTimeout}},
	}
	p.outside = append(slices.Clip(p.outside), s)
	return s
}

type timeoutStep struct {
	Timeout
	cause    error // of the ctx; one per step, so that a breaker can tell whose it is
	timeouts atomic.Int64
	rejected atomic.Int64
	stray    strays
}

func (s *timeoutStep) state() LayerState {
	l := LayerState{Kind: s.kind(), Timeouts: s.timeouts.Load(), Rejected: s.rejected.Load()}
	s.stray.describe(&l)
	return l
}

func (s *timeoutStep) do(ctx context.Context, rest []step, r runner) error {
	if s.Abandon && s.stray.count.Load() >= int64(s.MaxAbandoned) {
		s.rejected.Add(1)
		return ErrFull
	}
	inner, cancel := context.WithTimeoutCause(ctx, s.After, s.cause)
	defer cancel()
	var err error
	if s.Abandon {
		err = s.abandon(inner, rest, r)
	} else {
		err = run(inner, rest, r)
	}
	if err == nil || inner.Err() == nil || context.Cause(inner) != s.cause { //nolint:errorlint // this timeout, not any
		return err
	}
	if isAnswer(err) && !IsFailure(err) {
		return err
	}
	s.timeouts.Add(1)
	if errors.Is(err, s.cause) {
		return err
	}
	return &compound{s.cause, err}
}

// abandon runs the rest on a goroutine and leaves it when ctx ends.
func (s *timeoutStep) abandon(ctx context.Context, rest []step, r runner) error {
	t := fork(ctx, rest, r, &s.stray)
	go t.run()
	// Let it begin at once: a function that does not block is done when this
	// goroutine comes back, which spares two wake-ups.
	runtime.Gosched()
	select {
	case <-t.done:
		return t.join(r)
	default:
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		if t.leave() {
			return context.Cause(ctx)
		}
		<-t.done // it ended in this moment
	}
	return t.join(r)
}
