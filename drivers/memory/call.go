package memory

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// access is what a request is for: reads are answered without quorum too.
type access bool

const (
	reading access = false
	writing access = true
)

// call sends one request: it waits as the faults demand and then runs f, which
// must not block, with b.mu held.
func (b *Backend) call(ctx context.Context, op, key string, a access, f func() error) error {
	b.requests.Add(1)
	start := time.Now()
	for {
		if ctx.Err() != nil {
			return ended(ctx, op, key)
		}
		b.mu.Lock()
		wait, err := b.admit(op, key, a, time.Since(start))
		if err != nil || wait == 0 {
			if err == nil {
				err = f()
			}
			b.mu.Unlock()
			return err
		}
		wake := b.wake
		b.mu.Unlock()
		b.pause(ctx, wake, wait)
	}
}

// admit says whether a request that has waited so long is refused, and otherwise
// how much longer it has to wait, which is negative if that is unknown. The caller
// holds b.mu.
func (b *Backend) admit(op, key string, a access, waited time.Duration) (time.Duration, error) {
	switch {
	case b.closed:
		return 0, failure(op, key, core.ErrClosed, nil)
	case b.faults.reach == cutOff:
		return 0, failure(op, key, core.ErrUnavailable, errCut)
	case b.faults.reach == silent:
		return -1, nil
	case waited < b.faults.delay:
		return b.faults.delay - waited, nil
	case b.faults.refuse != nil:
		return 0, failure(op, key, b.faults.refuse, errRefused)
	case b.faults.reach == withoutQuorum && a == writing:
		return 0, failure(op, key, core.ErrUnavailable, errNoQuorum)
	}
	return 0, nil
}

// pause waits until ctx ends, the state of the backend changes, or the time is
// over; a negative time never is.
func (b *Backend) pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-over:
	}
}

// ended returns what a call returns whose ctx ended: a deadline that passed says
// that the backend did not answer in time.
func ended(ctx context.Context, op, key string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure(op, key, core.ErrUnavailable, context.Cause(ctx))
	}
	return context.Cause(ctx)
}

func failure(op, key string, kind, cause error) error {
	return &core.Error{Driver: "memory", Op: op, Key: key, Kind: kind, Err: cause}
}
