package holdfast

import (
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// tellHold makes a change of the hold visible, records when it begins and when
// it ends, and sees to it that somebody waits for its end.
func (m *membership) tellHold() {
	before, now := m.held, m.hold.len()
	m.held = now
	switch {
	case now > before:
		m.event(Event{Kind: EventHeld, Key: m.hold.newest.ID,
			Detail: fmt.Sprintf("%s; %d of %d instances are held", m.hold.newest.Reason, now, m.now.whole.len())})
	case now == 0 && before > 0:
		m.event(Event{Kind: EventReleased,
			Detail: fmt.Sprintf("nothing is held any more: %d returned, %d dropped, %d of them because they did not answer", m.hold.returned, m.hold.dropped, m.hold.dead)})
	}
	if !m.hold.moved {
		return
	}
	m.hold.moved = false
	if m.holding {
		select {
		case m.poke <- struct{}{}:
		default:
		}
	} else if now > 0 && m.ctx.Err() == nil { // an operator may call after the end
		m.holding = true
		m.spawn(m.watchHold)
	}
}

// watchHold asks who is held, drops those that don't answer or are held no longer, and
// ends with the hold.
func (m *membership) watchHold() {
	for {
		ask, d, ok, over := m.nextOfHold()
		if over {
			return
		}
		if len(ask) > 0 {
			m.probeHeld(ask)
			continue
		}
		var due <-chan time.Time
		if ok {
			due = time.After(d)
		}
		select {
		case <-due:
			m.dropOverdue()
		case <-m.poke:
		case <-m.ctx.Done():
			return
		}
	}
}

// nextOfHold says whom to ask now, else when something is due, and whether the hold is
// over.
func (m *membership) nextOfHold() (ask []*core.Instance, d time.Duration, ok, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold.len() == 0 || m.ctx.Err() != nil {
		m.holding = false
		return nil, 0, false, true
	}
	now := time.Now()
	for _, id := range m.hold.toProbe(now) {
		if in := m.now.find(id); in != nil {
			ask = append(ask, in)
		}
	}
	d, ok = m.hold.wait(now)
	return ask, d, ok, false
}

// probeHeld asks suspects, and drops those that did not answer twice.
func (m *membership) probeHeld(ask []*core.Instance) {
	errs := m.opts.Probe.askAll(m.ctx, ask)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil || m.now.closed {
		return
	}
	now := time.Now()
	var edits []edit
	for i, in := range ask {
		if m.hold.probed(in.ID, errs[i], now) {
			edits = append(edits, edit{id: in.ID})
		}
	}
	if len(edits) == 0 {
		return
	}
	m.hold.dead += len(edits)
	m.apply(edits)
	m.publish()
}

// dropOverdue gives up who was held for long enough.
func (m *membership) dropOverdue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.hold.overdue(time.Now()))
}

// drop gives up suspects.
func (m *membership) drop(ids []string) {
	if len(ids) == 0 || m.now.closed {
		return
	}
	var edits []edit
	for _, id := range ids {
		edits = append(edits, edit{id: id})
	}
	m.apply(edits)
	m.publish()
}

// AcceptMissing believes at once that the instances are gone which are held: for an
// operator who knows that it is so. It returns how many there were.
func (e *Endpoints) AcceptMissing() int {
	m := e.engine
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id := range m.hold.byID {
		ids = append(ids, id)
	}
	m.hold.frozen = time.Time{}
	m.drop(ids)
	return len(ids)
}

// HoldMissing believes for a time of nobody that it is gone, but of those that said
// so (draining or down), neither for the backend's word nor for want of an answer: for
// an operator who knows that the registry is about to lie. Zero ends it.
func (e *Endpoints) HoldMissing(d time.Duration) {
	m := e.engine
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold.freeze(time.Now().Add(d))
	m.tellHold()
}
