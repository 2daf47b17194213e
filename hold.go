package holdfast

import (
	"fmt"
	"time"
)

// tellHold makes a change of the hold visible, records when it begins and when
// it ends, and sees to it that somebody waits for its end.
func (m *membership) tellHold() {
	before, now := m.held, m.hold.len()
	m.held = now
	switch {
	case now > before:
		m.event(Event{Kind: EventHeld, Key: m.hold.newest.ID,
			Detail: fmt.Sprintf("%s; %d of %d instances are held", m.hold.newest.Reason, now, len(m.now.all))})
	case now == 0 && before > 0:
		m.event(Event{Kind: EventReleased,
			Detail: fmt.Sprintf("nothing is held any more: %d returned, %d dropped", m.hold.returned, m.hold.dropped)})
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
	} else if now > 0 {
		m.holding = true
		m.spawn(m.watchHold)
	}
}

// watchHold drops who is held no longer, and ends with the hold.
func (m *membership) watchHold() {
	for {
		d, ok, over := m.nextDrop()
		if over {
			return
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

// nextDrop says when somebody is overdue, and whether the hold is over.
func (m *membership) nextDrop() (d time.Duration, ok, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold.len() == 0 {
		m.holding = false
		return 0, false, true
	}
	d, ok = m.hold.wait(time.Now())
	return d, ok, false
}

// dropOverdue gives up who was held for long enough.
func (m *membership) dropOverdue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var edits []edit
	for _, id := range m.hold.overdue(time.Now()) {
		edits = append(edits, edit{id: id})
	}
	if len(edits) == 0 {
		return
	}
	m.apply(edits)
	m.publish()
}
