package holdfast

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// membership keeps the roster of one service: it merges what the follower finds,
// the cache knows and the hold gives up, and publishes a new roster after each
// step. It is the follower's sink. Once closed it takes nothing more, though a
// driver that ignored its ctx may still tell something.
type membership struct {
	endpoints *Endpoints
	opts      DiscoveryOptions
	compare   func(a, b core.Revision) (int, bool)
	jrnl      *journal
	cache     instanceCache
	spawn     func(func()) // runs a goroutine that Close awaits
	ctx       context.Context

	mu       sync.Mutex    // one step at a time, events included, so that they keep their order
	now      roster        // what the next roster is made from
	hold     *suspects     // who is held; the endpoints read it too
	held     int           // how many were after the last step
	holding  bool          // watchHold runs
	believed []time.Time   // when each instance that was up went lately, without a doubt
	poke     chan struct{} // tells watchHold that the hold changed
	events   []Event       // of this step

	looked    bool // at the cache
	saidEmpty bool
	hearing   hearing
}

// errNoQuorum is why a level is not Live although the backend answers.
var errNoQuorum = fmt.Errorf("%w: only a member without quorum answers", core.ErrUnavailable)

// listed implements sink.
func (m *membership) listed(s core.Snapshot[core.Instance], again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.closed {
		return
	}
	now := time.Now()
	m.now.lists++
	if s.Replica {
		if m.takesReplica(s.Revision) {
			m.hold.resume(now)
			m.whole(s.Items, s.Bad, true, now)
			m.now.revision, m.now.asOf = s.Revision, now
			m.reach(core.Replica, errNoQuorum, now)
		} else {
			m.outOfSync(errNoQuorum, now)
		}
		m.publish()
		return
	}
	m.hold.resume(now)
	m.whole(s.Items, s.Bad, again, now)
	m.now.revision, m.now.asOf = s.Revision, now
	if m.hearing.listed() {
		m.reach(core.Live, nil, now)
	} else {
		m.reach(core.Memory, m.now.err, now)
	}
	m.cache.believe()
	m.publish()
}

// takesReplica reports whether an answer without quorum is better than what is
// there.
func (m *membership) takesReplica(rev core.Revision) bool {
	switch m.now.level {
	case core.Live, core.Memory:
		return false
	case core.Cached, core.Replica:
		n, ok := m.compare(rev, m.now.revision)
		return !ok || n >= 0
	}
	return true
}

// updated implements sink.
func (m *membership) updated(u core.Update[core.Instance]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.closed {
		return
	}
	now := time.Now()
	m.hearing.stepped()
	switch {
	case u.Reset:
		m.whole(u.Put, u.Bad, true, now)
	case !u.Heartbeat():
		m.part(u, now)
	}
	m.now.revision, m.now.asOf = u.Revision, now
	m.reach(core.Live, nil, now)
	m.publish()
}

// failed implements sink.
func (m *membership) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.closed {
		return
	}
	m.hearing.failed()
	m.events = append(m.events, complaints(m.endpoints.part(), err, m.now.err)...)
	m.outOfSync(err, time.Now())
	m.publish()
}

// outOfSync keeps what is there and says that it may be old.
func (m *membership) outOfSync(err error, now time.Time) {
	m.hold.pause(now)
	level := m.now.level
	if level == core.Live {
		level = core.Memory
	}
	m.reach(level, err, now)
	m.sayEmpty()
}

// whole takes a set of which nothing is left out. With doubt, an instance that
// it lacks is not believed gone yet.
func (m *membership) whole(items map[string]core.Instance, unread map[string]error, doubt bool, now time.Time) {
	edits, bad := m.read(items, unread)
	for _, one := range m.now.whole.members {
		in := one.in
		if _, there := items[in.ID]; there {
			continue
		}
		if _, there := bad[in.ID]; there {
			m.hold.release(in.ID)
			continue
		}
		if frozen := m.hold.frozenAt(now); isUp(in) && m.opts.SuspectFor > 0 && (doubt || frozen) {
			reason := missingInList
			if !doubt {
				reason = operatorHolds
			}
			m.hold.hold(in.ID, reason, now, m.opts.SuspectFor)
			continue
		}
		edits = append(edits, edit{id: in.ID})
	}
	for _, id := range m.hold.overdue(now) {
		edits = append(edits, edit{id: id})
	}
	m.refuse(bad)
	m.apply(edits)
}

// part takes one step of a watch.
func (m *membership) part(u core.Update[core.Instance], now time.Time) {
	edits, unread := m.read(u.Put, u.Bad)
	bad := maps.Clone(m.now.bad)
	for id := range u.Put {
		delete(bad, id)
	}
	up := m.now.up.len() - m.hold.len() // every suspect was up
	var gone []string
	for _, id := range u.Delete {
		delete(bad, id)
		in := m.now.find(id)
		switch {
		case in == nil || m.hold.has(id):
			// Of a suspect it is known already that the backend lacks it.
		case isUp(in):
			gone = append(gone, id)
		default:
			edits = append(edits, edit{id: id})
		}
	}
	reason := m.doubt(len(gone), up, now)
	for _, id := range gone {
		if reason != "" && m.opts.SuspectFor > 0 {
			m.hold.hold(id, reason, now, m.opts.SuspectFor)
		} else {
			edits = append(edits, edit{id: id})
			m.believed = append(m.believed, now)
		}
	}
	for id, err := range unread {
		if bad == nil {
			bad = make(map[string]error)
		}
		bad[id] = err
		m.hold.release(id)
	}
	m.refuse(bad)
	m.apply(edits)
}

// doubt says why the removal of so many of those that are up is not believed; "" if
// it is. Leases that expire one after another empty a service as surely as one step
// does.
func (m *membership) doubt(gone, up int, now time.Time) (reason string) {
	m.believed = slices.DeleteFunc(m.believed, func(at time.Time) bool { return now.Sub(at) >= massDeletionWindow })
	all := gone + len(m.believed)
	switch {
	case m.hold.frozenAt(now):
		return operatorHolds
	case all >= massDeletionMin && 2*all > up+len(m.believed):
		return massDeletion
	}
	return ""
}

// read sorts entries of the backend into edits, of those that changed, and into
// entries that can't be used, to which it adds the unread ones.
func (m *membership) read(items map[string]core.Instance, unread map[string]error) ([]edit, map[string]error) {
	var edits []edit
	bad := unread
	for id, item := range items {
		m.hold.release(id)
		if err := admit(m.endpoints.service, id, &item); err != nil {
			if bad == nil {
				bad = make(map[string]error)
			}
			bad[id] = err
			continue
		}
		if known := m.now.find(id); known == nil || !known.Equal(item) {
			in := item
			edits = append(edits, edit{id: id, instance: &in})
		}
	}
	return edits, bad
}

// apply makes the edits and remembers them in the cache.
func (m *membership) apply(edits []edit) {
	for _, e := range edits {
		if e.instance == nil {
			m.hold.drop(e.id)
		}
	}
	m.now.from = m.endpoints
	m.now.apply(edits)
	m.cache.edited(edits)
}

// reach sets the level and the reason why it is no better.
func (m *membership) reach(level core.Level, err error, now time.Time) {
	if level != m.now.level {
		m.event(Event{Kind: EventLevel, From: m.now.level, To: level, Err: err})
		m.now.level, m.now.since = level, now
	}
	m.now.err = err
}

// sayEmpty records once that a service has no instances because nothing knows
// any: there is no change of level that would tell.
func (m *membership) sayEmpty() {
	if m.now.level == core.Empty && m.looked && m.now.err != nil && !m.saidEmpty {
		m.saidEmpty = true
		m.event(Event{Kind: EventLevel, To: core.Empty, Err: m.now.err, Detail: "the backend fails and the cache holds nothing"})
	}
}

// refuse replaces the set of entries that can't be used.
func (m *membership) refuse(bad map[string]error) {
	if len(bad) == 0 && len(m.now.bad) == 0 {
		return
	}
	var fresh []string
	for id := range bad {
		if m.now.bad[id] == nil {
			fresh = append(fresh, id)
		}
	}
	healed := len(m.now.bad)+len(fresh) > len(bad)
	m.now.bad = bad
	if len(fresh) > 0 {
		slices.Sort(fresh)
		m.event(Event{Kind: EventRefused, Key: fresh[0], Err: bad[fresh[0]],
			Detail: fmt.Sprintf("%d entries can't be used; their last good instances stay", len(bad))})
	} else if healed && len(bad) == 0 {
		m.event(Event{Kind: EventAccepted, Detail: "every entry can be used again"})
	}
}

func (m *membership) event(e Event) {
	e.Part = m.endpoints.part()
	m.events = append(m.events, e)
}

// publish ends a step: it makes the roster visible, then tells about it.
func (m *membership) publish() {
	m.tellHold()
	m.endpoints.publish(m.now)
	for _, e := range m.events {
		m.jrnl.record(e)
	}
	m.events = nil
	m.cache.save(&m.now)
}

// close ends the last step. What is known stays readable, but is in sync with
// nothing any more; that is no event, because nothing went wrong.
func (m *membership) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.now.level == core.Live {
		m.now.level, m.now.since = core.Memory, now
	}
	m.now.closed = true
	m.now.err = fmt.Errorf("endpoints %q: %w", m.endpoints.service, errDiscoveryClosed)
	m.publish()
}
