package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// closeTimeout bounds Close, whatever its ctx allows.
	closeTimeout = 2 * time.Second
	// closeMargin is what of it is left for a driver to return in after its
	// deadline, so that its own error is seen and its goroutine is awaited.
	closeMargin = 100 * time.Millisecond
)

// The causes of an end that Close itself sets: to one request, and to all.
var (
	errLeaveTimeout = fmt.Errorf("no answer before Close had to return: %w", context.DeadlineExceeded)
	errCloseTimeout = fmt.Errorf("%w: no answer in %v: %w", core.ErrUnavailable, closeTimeout, context.DeadlineExceeded)
)

// Close stops the announcement and removes the instance from the backend. It
// first lets the request under way end, so that nothing late brings the instance
// back. It returns by the end of ctx and within 2 s, even if the backend is dead
// or the driver hangs.
//
// An error means that the instance may stay listed until its TTL has passed, and
// wraps why: [core.ErrUnavailable], [core.ErrDenied], [core.ErrThrottled] or
// context.Cause(ctx). The announcement is closed in any case. A Close after one
// that failed tries again to remove the instance; a Close after one that
// succeeded returns nil.
func (a *Announcement) Close(ctx context.Context) error {
	a.shut()
	ctx, cancel := context.WithTimeoutCause(ctx, closeTimeout, errCloseTimeout)
	defer cancel()
	if !a.claim(ctx) {
		return a.listed(context.Cause(ctx))
	}
	defer func() { <-a.closing }()
	if a.gone {
		return nil
	}
	err := a.leave(ctx)
	if err != nil {
		err = a.listed(err)
	}
	a.mu.Lock()
	a.status.Err = err
	a.mu.Unlock()
	a.gone = err == nil
	return err
}

// shut makes the announcement closed: no request begins from here on.
func (a *Announcement) shut() {
	a.mu.Lock()
	if a.status.State == StateClosed {
		a.mu.Unlock()
		return
	}
	a.status.State, a.status.Since = StateClosed, time.Now()
	a.resolve(a.version, errAnnouncementClosed)
	a.mu.Unlock()
	a.stop()
	a.journal.wake()
}

// claim makes this Close the one that works, and reports whether it came to
// that before ctx ended.
func (a *Announcement) claim(ctx context.Context) bool {
	select {
	case a.closing <- struct{}{}:
		return true
	default:
	}
	select {
	case a.closing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave awaits the request under way, deregisters, and awaits the rest.
func (a *Announcement) leave(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	margin := min(closeMargin, left/10)
	// A healthy request ends in milliseconds; a hanging one must leave time for
	// deregistering, which is what can still help.
	quiet := await(ctx, a.quiet, left/2)
	a.abort()
	quiet = quiet || await(ctx, a.quiet, margin)

	a.mu.Lock()
	touched, r := a.touched, a.registration()
	a.mu.Unlock()
	if touched {
		if err := a.deregister(ctx, deadline.Add(-margin), r); err != nil {
			return err
		}
		if !quiet && !await(ctx, a.quiet, margin) {
			return fmt.Errorf("%w: a request of the driver has not returned, though its ctx ended", core.ErrUnavailable)
		}
	}
	await(ctx, a.ended, closeTimeout)
	return nil
}

// deregister makes one request. If that of an earlier Close is still under way,
// because the driver ignores its ctx, it waits for that first.
func (a *Announcement) deregister(ctx context.Context, deadline time.Time, r core.Registration) error {
	for ctx.Err() == nil {
		earlier := a.farewell != nil
		if !earlier {
			result := make(chan error, 1)
			a.farewell = result
			request, cancel := context.WithDeadlineCause(ctx, deadline, errLeaveTimeout)
			go func() {
				defer cancel()
				result <- a.forget(request, r)
			}()
		}
		select {
		case err := <-a.farewell:
			a.farewell = nil
			if err == nil || !earlier {
				return err
			}
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// forget makes one request.
func (a *Announcement) forget(ctx context.Context, r core.Registration) (err error) {
	defer recoverDriver(&err)
	return a.reg.Deregister(ctx, r)
}

// listed says what an error means for peers.
func (a *Announcement) listed(err error) error {
	return fmt.Errorf("announcement %s: %w of %v ends: %w", a.id, errStillListed, a.status.TTL, err)
}

var errStillListed = errors.New("not deregistered, peers may see it until its TTL")

// await waits for done, at most d, and reports whether it came.
func await(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
