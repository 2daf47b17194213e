package policy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
)

// Bulkhead bounds how many calls run at a time, so that one slow backend does not
// take all the memory and connections of a process. A call that finds no place
// waits for one up to MaxWait, and is refused with [ErrFull] then.
type Bulkhead struct {
	// MaxConcurrent is the number of places, 1 to 1e6. Default 100.
	MaxConcurrent int
	// MaxWait is how long a call waits for a place, at most 24 h. Default 0, not at
	// all.
	MaxWait time.Duration
}

func (Bulkhead) kind() string { return "bulkhead" }

func (l Bulkhead) check() error {
	return first(
		within("Bulkhead.MaxConcurrent", l.MaxConcurrent, 1, 1_000_000),
		atMost("Bulkhead.MaxWait", l.MaxWait, longest),
	)
}

func (l Bulkhead) build(*plan) step {
	return &bulkheadStep{Bulkhead: l, places: bulkhead.New[any](uint(or(l.MaxConcurrent, 100)))}
}

type bulkheadStep struct {
	Bulkhead
	places   bulkhead.Bulkhead[any]
	inFlight atomic.Int64
	rejected atomic.Int64
}

func (s *bulkheadStep) state() LayerState {
	return LayerState{Kind: s.kind(), InFlight: s.inFlight.Load(), Rejected: s.rejected.Load()}
}

func (s *bulkheadStep) do(ctx context.Context, rest []step, r runner) error {
	if !s.places.TryAcquirePermit() {
		if err := s.wait(ctx); err != nil {
			s.rejected.Add(1)
			return err
		}
	}
	s.inFlight.Add(1)
	defer s.release()
	return run(ctx, rest, r)
}

func (s *bulkheadStep) release() {
	s.inFlight.Add(-1)
	s.places.ReleasePermit()
}

func (s *bulkheadStep) wait(ctx context.Context) error {
	if s.MaxWait == 0 {
		return ErrFull
	}
	switch err := s.places.AcquirePermitWithMaxWait(ctx, s.MaxWait); {
	case err == nil:
		return nil
	case errors.Is(err, bulkhead.ErrFull):
		return ErrFull
	}
	return refused(ctx, ErrFull)
}
