package memory

import (
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// reach says how far clients get.
type reach uint8

const (
	reachable reach = iota
	cutOff
	silent
	withoutQuorum
)

// faults is what is wrong at the moment.
type faults struct {
	reach  reach
	delay  time.Duration
	refuse error
}

// The causes that clients are told.
var (
	errCut      = errors.New("cut off from the backend")
	errSilent   = errors.New("the backend is silent")
	errNoQuorum = errors.New("the backend has no quorum")
	errRefused  = errors.New("the backend refuses")
	errUnknown  = errors.New("no answer to the write")
	errGone     = errors.New("the watch can't continue from this revision")
)

// Cut breaks the connections of all clients: calls fail at once with
// [core.ErrUnavailable], and watches end with it, until Heal. Registrations go on
// to expire.
func (b *Backend) Cut() { b.fail(func() { b.faults.reach = cutOff; b.breaks++ }) }

// Silence makes calls hang until their ctx ends, and watches end with
// [core.ErrUnavailable] within two heartbeat intervals, until Heal. A call that is
// still waiting then is served. Registrations go on to expire.
func (b *Backend) Silence() { b.fail(func() { b.faults.reach = silent }) }

// LoseQuorum makes reads answer as a replica does (Replica is true in what they
// return). Writes fail and watches end with [core.ErrUnavailable], until Heal.
func (b *Backend) LoseQuorum() { b.fail(func() { b.faults.reach = withoutQuorum; b.breaks++ }) }

// Slow makes every call, and the start of every watch, take d before it is
// answered, until Heal or Slow(0).
func (b *Backend) Slow(d time.Duration) { b.fail(func() { b.faults.delay = d }) }

// Refuse makes every call and every new watch fail with an error of the given
// kind, such as [core.ErrDenied] or [core.ErrThrottled], until Heal or
// Refuse(nil). Running watches go on.
func (b *Backend) Refuse(kind error) { b.fail(func() { b.faults.refuse = kind }) }

// Heal undoes Cut, Silence, LoseQuorum, Slow and Refuse.
func (b *Backend) Heal() { b.fail(func() { b.faults = faults{} }) }

// Compact forgets how the present state came to be: a watch from any older
// revision ends with [core.ErrRevisionGone].
func (b *Backend) Compact() { b.fail(func() { b.history.compact() }) }

// Wipe loses all configuration and all registrations, as a server does that is
// rebuilt at the same address: a new history begins, whose revisions start again
// from the lowest, and running watches end with [core.ErrUnavailable]. Faults
// stay in effect.
func (b *Backend) Wipe() {
	b.fail(func() {
		b.clear()
		b.breaks++
		b.history = newHistory(b.history.limit, b.history.name == "")
	})
}

// Advance moves the newest revision above past, which may be of an earlier
// history, as changes to things that no client looks at would. Nothing happens if
// it is there already, or if past is no revision of a Backend.
func (b *Backend) Advance(past core.Revision) {
	b.fail(func() {
		if _, n, ok := parse(past); ok && n >= b.history.newest {
			b.history.newest = n + 1
		}
	})
}

func (b *Backend) fail(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.notify()
}
