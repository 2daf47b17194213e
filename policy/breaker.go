package policy

import (
	"context"
	"time"
)

// Breaker stops calling what fails, so that callers get their refusal at once
// and what is down is not kept down by its callers.
//
// Closed, it counts the outcomes of the last Window. Once there are MinCalls of
// them and at least FailureRate of them failed, it opens: calls are refused with
// [ErrOpen]. After OpenFor the next call makes it half-open: at most
// HalfOpenProbes calls pass at a time. When so many have succeeded it closes, and
// the first that fails opens it again.
//
// Neither a success nor a failure is what happens after the caller's ctx has
// ended (unless the ctx ended by a [Timeout] further out in the same chain: that
// is a failure), a refusal of a layer further in, and an outcome of a call that
// began before the last change of state. In the half-open state such a call
// gives its place back, as does one that panics, and a probe that has not come
// back after OpenFor no longer keeps the next one waiting: nothing wedges a
// breaker. A panic is a failure.
type Breaker struct {
	// FailureRate is the share of failures that opens the breaker, 0.01 to 1. Rates
	// are compared in whole per cents, rounded. Default 0.5.
	FailureRate float64
	// Window is how far back outcomes count, 10 ms to 24 h, in steps of a tenth of
	// it. Default 10 s.
	Window time.Duration
	// MinCalls is how many outcomes within the window it takes to open, 1 to 1e6.
	// Default 10.
	MinCalls int
	// OpenFor is how long the breaker stays open at most, 1 ms to 24 h: it draws a
	// time between 80 % of it and all of it, so that many processes do not probe
	// in the same moment. Default 5 s.
	OpenFor time.Duration
	// HalfOpenProbes is how many successful probes close the breaker, and how many
	// run at a time at most, 1 to 1000. Default 1.
	HalfOpenProbes int
	// If reports whether an error is a failure; if not, it is a success. It is not
	// asked about what counts as neither. Default [IsFailure].
	If func(error) bool
}

func (Breaker) kind() string { return "breaker" }

func (l Breaker) check() error {
	return first(
		within("Breaker.FailureRate", l.FailureRate, 0.01, 1),
		within("Breaker.Window", l.Window, 10*time.Millisecond, longest),
		within("Breaker.MinCalls", l.MinCalls, 1, 1_000_000),
		within("Breaker.OpenFor", l.OpenFor, time.Millisecond, longest),
		within("Breaker.HalfOpenProbes", l.HalfOpenProbes, 1, 1000),
	)
}

func (l Breaker) build(p *plan) step {
	l.FailureRate = or(l.FailureRate, 0.5)
	l.Window = or(l.Window, 10*time.Second)
	l.MinCalls = or(l.MinCalls, 10)
	l.OpenFor = or(l.OpenFor, 5*time.Second)
	l.HalfOpenProbes = or(l.HalfOpenProbes, 1)
	if l.If == nil {
		l.If = IsFailure
	}
	return &breakerStep{Breaker: l, outside: p.outside, gate: newGate(l, p.chain.bell.tell)}
}

// outcome is what a breaker makes of a call.
type outcome uint8

const (
	failed outcome = iota // the zero value, so that a panic is one
	succeeded
	uncounted
)

type breakerStep struct {
	Breaker
	outside []*timeoutStep
	gate    *gate
}

func (s *breakerStep) state() LayerState {
	l := s.gate.state()
	l.Kind = s.kind()
	return l
}

func (s *breakerStep) do(ctx context.Context, rest []step, r runner) (err error) {
	p, ok := s.gate.enter()
	if !ok {
		return s.gate.refused()
	}
	// A panic is not recovered, or its stack would be lost: what is deferred finds
	// the outcome as it was when the panic came.
	o := failed
	defer func() { s.gate.leave(p, o, err) }()
	if err = run(ctx, rest, r); err == nil {
		o = succeeded
	} else {
		o = s.judge(ctx, err)
	}
	return err
}

func (s *breakerStep) judge(ctx context.Context, err error) outcome {
	if isRefusal(err) {
		return uncounted
	}
	if ctx.Err() != nil {
		t := s.timedOut(ctx)
		if t == nil {
			return uncounted
		}
		if !isAnswer(err) {
			// The timeout further out has not seen the error yet, and what a function
			// returns when it is interrupted may look like the caller's cancel.
			err = &compound{t.cause, err}
		}
	}
	if s.If(err) {
		return failed
	}
	return succeeded
}

// timedOut returns the timeout of the same chain by which ctx ended, if any.
func (s *breakerStep) timedOut(ctx context.Context) *timeoutStep {
	cause := context.Cause(ctx)
	for _, t := range s.outside {
		if cause == t.cause { //nolint:errorlint // which timeout it was, not of which kind
			return t
		}
	}
	return nil
}
