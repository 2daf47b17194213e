package policy

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
)

// RateLimit bounds how many calls begin per interval. A call beyond that waits
// for its turn up to MaxWait; if its turn comes later than that, or later than
// the deadline of its ctx, it is refused at once with [ErrLimited].
type RateLimit struct {
	// Rate is how many calls may begin per Interval, 1 to 1e9. Default 100.
	Rate int
	// Interval is 1 ms to 24 h. Default 1 s.
	Interval time.Duration
	// Burst is how many calls may begin at once, 1 to Rate; the next so many may
	// begin in the next Burst/Rate part of the interval. With 1 the calls are
	// spread evenly. Default Rate.
	Burst int
	// MaxWait is how long a call waits for its turn, at most 24 h. Default 0, not at
	// all.
	MaxWait time.Duration
}

func (RateLimit) kind() string { return "ratelimit" }

func (l RateLimit) check() error {
	err := first(
		within("RateLimit.Rate", l.Rate, 1, 1_000_000_000),
		within("RateLimit.Interval", l.Interval, time.Millisecond, longest),
		within("RateLimit.Burst", l.Burst, 1, or(l.Rate, 100)),
		atMost("RateLimit.MaxWait", l.MaxWait, longest),
	)
	if err == nil && l.spacing() < 1 {
		err = refuse("RateLimit.Rate is %d per %v; it must be at most one per nanosecond", l.Rate, or(l.Interval, time.Second))
	}
	return err
}

// spacing is the mean time between two calls.
func (l RateLimit) spacing() time.Duration {
	return or(l.Interval, time.Second) / time.Duration(or(l.Rate, 100))
}

func (l RateLimit) build(*plan) step {
	l.Rate = or(l.Rate, 100)
	l.Interval = or(l.Interval, time.Second)
	l.Burst = or(l.Burst, l.Rate)
	turns, part := ratelimiter.NewSmoothWithMaxRate[any](l.spacing()), l.spacing()
	if l.Burst > 1 {
		part = time.Duration(float64(l.Interval) * (float64(l.Burst) / float64(l.Rate)))
		turns = ratelimiter.NewBursty[any](uint(l.Burst), part)
	}
	// Those who wait have turns within MaxWait at most.
	return &rateLimitStep{RateLimit: l, turns: turns, refusal: &refusal{kind: ErrLimited, after: part + l.MaxWait}}
}

type rateLimitStep struct {
	RateLimit
	turns    ratelimiter.RateLimiter[any]
	refusal  *refusal
	rejected atomic.Int64
}

func (s *rateLimitStep) state() LayerState {
	return LayerState{Kind: s.kind(), Rejected: s.rejected.Load()}
}

func (s *rateLimitStep) do(ctx context.Context, rest []step, r runner) error {
	longest := s.MaxWait
	if deadline, ok := ctx.Deadline(); ok && longest > 0 {
		longest = max(0, min(longest, time.Until(deadline)))
	}
	wait := s.turns.TryReservePermit(longest)
	if wait < 0 {
		s.rejected.Add(1)
		return s.refusal
	}
	if wait > 0 && pause(ctx, wait) != nil {
		s.rejected.Add(1)
		return refused(ctx, ErrLimited)
	}
	return run(ctx, rest, r)
}
