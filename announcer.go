package holdfast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// announcer is the goroutine that keeps an announcement registered, and what
// only that goroutine touches.
type announcer struct {
	*Announcement

	state        State     // as in status, but never closed
	beat         chan beat // of the try under way; nil: none
	due          time.Time // of the next try
	expires      time.Time // when a registration that is not confirmed counts as lost
	registeredAt time.Time
	tries        int   // that failed in a row
	last         error // why the last try failed, nil if it did not

	lookout   *lookout  // nil: none
	lookAfter time.Time // no lookout before
	blind     int       // lookouts in a row that could not tell
	quick     int       // registrations in a row that were lost at once
	grumbled  error     // the kind of error that was complained of last
}

// errUnconfirmed is why a registration that nobody confirmed for a TTL counts as
// lost, if no failed request says more.
var errUnconfirmed = fmt.Errorf("%w: no answer for a TTL, or the process was paused", core.ErrUnavailable)

const conflictDetail = "a newer incarnation holds this ID; if that is no restart, give each instance an ID of its own"

// run goes on until life ends, and then waits for what is under way.
func (n *announcer) run(life, requests context.Context) {
	defer close(n.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for life.Err() == nil {
		now := time.Now()
		if n.state == StateRegistered && !now.Before(n.expires) {
			n.become(StateLost, "not confirmed for a TTL", cmp.Or(n.last, errUnconfirmed))
		}
		if n.beat == nil && !now.Before(n.due) {
			result := make(chan beat, 1)
			n.beat = result
			go func() { result <- n.try(life, requests) }()
		}
		timer.Reset(time.Until(n.wakeAt(now)))
		select {
		case <-timer.C:
		case <-n.poke:
			n.poked()
		case b := <-n.beat:
			n.beat = nil
			n.tried(life, b)
		case err := <-n.lossNotices():
			n.noticed(life, err)
		case <-life.Done():
		}
	}
	if n.beat != nil {
		<-n.beat
	}
	close(n.quiet)
	if n.lookout != nil {
		n.lookout.cancel()
		<-n.lookout.result //nolint:errcheck // why it ended does not matter any more
	}
	n.gate.wait()
}

// wakeAt is when there is something to do that nobody reports.
func (n *announcer) wakeAt(now time.Time) time.Time {
	at := now.Add(time.Hour)
	if n.beat == nil {
		at = n.due
	}
	if n.state == StateRegistered {
		at = earlier(at, n.expires)
	}
	return at
}

// poked writes a change at once, where the last try does not tell to wait. A
// backend that refused what was asked before may take this.
func (n *announcer) poked() {
	if n.state != StateConflict && (n.last == nil || errors.Is(n.last, core.ErrInvalid)) {
		n.due = time.Now()
	}
}

// tried takes how a try went.
func (n *announcer) tried(life context.Context, b beat) {
	if life.Err() != nil {
		return
	}
	switch {
	case b.err == nil:
		n.confirm(b)
		n.lookOut(life)
	case errors.Is(b.err, core.ErrConflict):
		n.fail(b)
		n.become(StateConflict, conflictDetail, b.err)
		n.due = time.Now().Add(n.conflictIn())
	default:
		n.fail(b)
		if errors.Is(b.err, core.ErrNotFound) && n.state == StateRegistered {
			n.become(StateLost, "the backend says that it is gone", b.err)
		}
		n.due = time.Now().Add(n.retryIn(n.tries, b.err, n.state == StateRegistered))
		if n.state == StateConflict {
			n.due = time.Now().Add(n.conflictIn())
		}
		n.tries++
		if errors.Is(b.err, core.ErrInvalid) && n.undo(b) {
			n.due = time.Now()
		}
	}
}

// confirm takes a try that succeeded.
func (n *announcer) confirm(b beat) {
	n.tries, n.last, n.grumbled = 0, nil, nil
	n.expires = b.began.Add(n.status.TTL)
	n.due = b.began.Add(n.interval())

	n.mu.Lock()
	n.status.Beats++
	n.status.Err = nil
	n.status.ConfirmedAt = time.Now()
	n.confirmed, n.known = b.sent, b.version
	n.resolve(b.version, nil)
	if n.version > b.version {
		n.due = time.Now()
	}
	n.mu.Unlock()
	n.become(StateRegistered, "peers can see it", nil)
}

// fail takes a try that did not.
func (n *announcer) fail(b beat) {
	for _, e := range complaints(n.part, b.err, n.last) {
		e.Key = n.id
		n.journal.record(e)
	}
	n.last = b.err
	n.mu.Lock()
	n.status.Err = b.err
	n.mu.Unlock()
	// What a conflict or a loss is, an event says; and most failures while it is
	// registered are over before anybody could see one.
	if n.state == StatePending && !refused(b.err) && !errors.Is(b.err, core.ErrConflict) {
		n.complain("not registered", b.err)
	}
}

// undo goes back to what the backend took last, after a change that it can never
// take, and reports whether it did: a bad change must not cost the registration.
func (n *announcer) undo(b beat) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resolve(b.version, fmt.Errorf("announcement: %w", b.err))
	switch {
	case n.version > b.version:
		return true // changed again meanwhile: try that
	case n.known == 0 || n.known == b.version:
		return false
	}
	n.version++
	n.status.Instance, n.known = n.confirmed, n.version
	return true
}

// become records a change of state; there is none if it is in that state, or
// closed, already.
func (n *announcer) become(s State, detail string, err error) {
	if n.state == s {
		return
	}
	was := n.state
	n.state = s
	if was == StateRegistered {
		n.lookAway()
	}
	now := time.Now()
	if s == StateRegistered {
		n.registeredAt = now
	}
	n.mu.Lock()
	if n.status.State == StateClosed {
		n.mu.Unlock()
		return
	}
	n.status.State, n.status.Since = s, now
	if err != nil {
		n.status.Err = err
	}
	switch {
	case s == StateRegistered:
		n.status.Registrations++
		n.status.RegisteredAt = now
	case was == StateRegistered:
		n.status.Losses++
	}
	n.mu.Unlock()

	kind := EventLost
	switch s {
	case StateRegistered:
		kind = EventRegistered
	case StateConflict:
		kind = EventConflict
	}
	n.journal.record(Event{Kind: kind, Part: n.part, Key: n.id, Detail: detail, Err: err})
}

// complain logs a failure that no event tells of, once per kind of error.
func (n *announcer) complain(what string, err error) {
	kind, level := core.ErrUnavailable, slog.LevelWarn
	for _, k := range []error{core.ErrDenied, core.ErrInvalid, core.ErrThrottled} {
		if errors.Is(err, k) {
			kind = k
		}
	}
	if errors.Is(n.grumbled, kind) {
		return
	}
	n.grumbled = kind
	if errors.Is(kind, core.ErrDenied) || errors.Is(kind, core.ErrInvalid) {
		level = slog.LevelError
	}
	n.journal.log.Log(context.Background(), level, "holdfast: announcement: "+what,
		slog.String("part", n.part), slog.String("key", n.id), slog.String("error", err.Error()))
}
