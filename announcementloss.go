package holdfast

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// quickLosses is how often in a row a loss, or being blind to losses, hastens the
// next beat. More is no accident: somebody keeps removing the registration, or
// losses can't be seen at all.
const quickLosses = 3

// lookout is one AwaitLoss under way. There is never more than one.
type lookout struct {
	began  time.Time
	cancel context.CancelFunc
	result chan error // of capacity 1
	stale  bool       // what it finds is of a registration that is over
}

// lookOut starts to wait for a loss, if the registry can tell of one.
func (n *announcer) lookOut(ctx context.Context) {
	now := time.Now()
	if n.loss == nil || n.lookout != nil || now.Before(n.lookAfter) {
		return
	}
	n.mu.Lock()
	r := n.registration()
	n.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	l := &lookout{began: now, cancel: cancel, result: make(chan error, 1)}
	n.lookout = l
	go func() { l.result <- n.awaitLoss(ctx, r) }()
}

// awaitLoss blocks until the registration is lost or can't be watched.
func (n *announcer) awaitLoss(ctx context.Context, r core.Registration) (err error) {
	defer recoverDriver(&err)
	if err := n.loss.AwaitLoss(ctx, r); err != nil {
		return err
	}
	return errNoReason
}

// lossNotices is where the lookout reports; nil if there is none.
func (n *announcer) lossNotices() <-chan error {
	if n.lookout == nil {
		return nil
	}
	return n.lookout.result
}

// lookAway ends the lookout: what it would say is known.
func (n *announcer) lookAway() {
	if n.lookout != nil {
		n.lookout.stale = true
		n.lookout.cancel()
	}
}

// noticed takes what the lookout said.
func (n *announcer) noticed(ctx context.Context, err error) {
	l := n.lookout
	n.lookout = nil
	l.cancel()
	if l.stale {
		if n.state == StateRegistered {
			n.lookOut(ctx)
		}
		return
	}
	switch {
	case errors.Is(err, core.ErrNotFound):
		n.become(StateLost, "the backend says that it is gone", err)
		n.again()
	case errors.Is(err, core.ErrConflict):
		// Only Register knows whether the other owner is newer; if it is not,
		// the key is taken back.
		n.become(StateConflict, conflictDetail, err)
		n.again()
	default:
		n.blinded(l, err) //nolint:contextcheck // it logs, and a log line outlives the watch
	}
}

// again registers at once, unless that was of no use several times.
func (n *announcer) again() {
	now := time.Now()
	if now.Sub(n.registeredAt) < n.status.TTL/3 {
		n.quick++
	} else {
		n.quick = 0
	}
	n.due = now
	if n.quick > quickLosses {
		n.due = now.Add(jitter(grow(retryBase, n.status.TTL/3, n.quick-quickLosses)))
	}
}

// blinded takes that losses can't be seen for now: a beat tells.
func (n *announcer) blinded(l *lookout, err error) {
	now := time.Now()
	if now.Sub(l.began) >= n.status.TTL {
		n.blind = 0
	}
	switch {
	case !errors.Is(err, core.ErrUnavailable):
		n.lookAfter = now.Add(n.pace.retry(n.blind, err))
		n.complain("a loss of the registration shows at the next beat only", err)
	case n.blind == 0:
		n.due = earlier(n.due, now.Add(n.pace.afterLoss()))
	case n.blind <= quickLosses:
		n.due = earlier(n.due, now.Add(n.retryIn(n.blind, err, true)))
	default:
		// It can never tell for long: beats at their usual pace have to do.
	}
	n.blind++
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
