package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// beat is how one try to register went.
type beat struct {
	began   time.Time     // when the request was sent: what it refreshed lives a TTL from then
	version uint64        // of the wanted instance that was sent
	sent    core.Instance // without the gate
	err     error
}

// try asks the gate and registers once, by a deadline. It sends nothing once the
// announcement is closed.
func (a *Announcement) try(life, requests context.Context) beat {
	vouched := a.gate.status(life)
	a.mu.Lock()
	if a.status.State == StateClosed {
		a.mu.Unlock()
		return beat{err: errAnnouncementClosed}
	}
	a.vouched = vouched
	touched := a.touched
	a.touched = true
	b := beat{began: time.Now(), version: a.version, sent: a.status.Instance}
	r := a.registration()
	a.mu.Unlock()

	b.err = a.register(requests, r)
	if refused(b.err) {
		a.mu.Lock()
		a.touched = touched
		a.mu.Unlock()
	}
	return b
}

// registration is what is asked of the backend now. a.mu is held.
func (a *Announcement) registration() core.Registration {
	in := a.status.Instance.Clone()
	in.Status = max(in.Status, a.vouched)
	return core.Registration{Instance: in, Owner: a.status.Owner, TTL: a.status.TTL}
}

// errRequestTimeout is the cause of a request that hangs.
var errRequestTimeout = fmt.Errorf("no answer in RequestTimeout: %w", context.DeadlineExceeded)

// register makes one request.
func (a *Announcement) register(ctx context.Context, r core.Registration) (err error) {
	defer recoverDriver(&err)
	ctx, cancel := context.WithTimeoutCause(ctx, a.pace.timeout, errRequestTimeout)
	defer cancel()
	return a.reg.Register(ctx, r)
}

// refused reports whether err says that the backend wrote nothing. Anything else
// that is not nil may still have been written, or will be.
func refused(err error) bool {
	for _, kind := range []error{core.ErrConflict, core.ErrDenied, core.ErrInvalid, core.ErrThrottled} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// interval is the time from one beat to the next while all is well: a third of
// the TTL, so that two may be missed, less a little so that processes that
// started together drift apart.
func (a *Announcement) interval() time.Duration {
	return a.status.TTL/3 - jitter(a.status.TTL/30)
}

// retryIn is the wait after try n (from 0) failed. While the instance is still
// registered, what counts is to renew before the TTL ends: no wait between
// requests is longer than between beats then, unless a person has to act.
func (a *Announcement) retryIn(n int, err error, registered bool) time.Duration {
	third := a.status.TTL / 3
	switch {
	case errors.Is(err, core.ErrDenied), errors.Is(err, core.ErrInvalid):
		return a.pace.retry(n, err)
	case errors.Is(err, core.ErrThrottled):
		if registered {
			return min(throttleBase, third) + jitter(grow(throttleBase, third-throttleBase, n))
		}
		return a.pace.retry(n, err)
	}
	limit := max(retryCap, a.pace.spread)
	if errors.Is(err, context.DeadlineExceeded) {
		// It hung: the next request waits for the backend longer than any pause
		// does, and is answered the moment the backend goes on.
		limit = retryCap
	}
	return jitter(grow(retryBase, min(limit, third), n))
}

// conflictIn is the wait until the key of a newer owner is tried again: once a
// TTL, which is how long that owner's key outlives it.
func (a *Announcement) conflictIn() time.Duration {
	return a.status.TTL*4/5 + jitter(a.status.TTL*2/5)
}
