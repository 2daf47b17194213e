package holdfast

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// pace decides when an engine tries again. It is the breaker of the engines: no
// policy stands above it, because a breaker's open time or a second retry would
// only delay recovery.
type pace struct {
	timeout time.Duration // deadline of one request
	spread  time.Duration // what first tries after a recovery are spread over; 0 is off
}

const (
	retryBase    = 50 * time.Millisecond
	retryCap     = 500 * time.Millisecond // at least; the spread where that is longer
	throttleBase = time.Second
	throttleCap  = 30 * time.Second
	slowest      = 30 * time.Second // denied and invalid wait between this and twice this
)

// afterLoss is the wait before the first try once a backend that answered is
// lost: every other process lost it in the same moment.
func (p pace) afterLoss() time.Duration { return jitter(p.spread) }

// retry is the wait before try n (from 0) after err: full jitter below a cap
// that grows, so that tries of many processes spread evenly by themselves.
func (p pace) retry(n int, err error) time.Duration {
	switch {
	case errors.Is(err, core.ErrDenied), errors.Is(err, core.ErrInvalid):
		return slowest + jitter(slowest)
	case errors.Is(err, core.ErrThrottled):
		return throttleBase + jitter(grow(throttleBase, throttleCap, n))
	}
	return jitter(grow(retryBase, max(retryCap, p.spread), n))
}

// grow returns base doubled n times, at most limit.
func grow(base, limit time.Duration, n int) time.Duration {
	for range n {
		if base >= limit {
			break
		}
		base *= 2
	}
	return min(base, limit)
}

// jitter returns a random duration in [0, d].
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1)
}

// pause waits for d or until ctx ends, and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
