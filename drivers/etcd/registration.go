package etcd

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// registrationID names what one incarnation stores under one key.
type registrationID struct{ key, owner string }

// registration is what this client knows about its own entry.
type registration struct {
	registrationID
	service, id string
	turn        chan struct{} // held by the call at work on it

	// Guarded by registrations.mu.
	calls   int    // calls and watches that hold it in the map
	value   []byte // as last written or seen
	lease   *lease // that value lies on
	written int64  // ModRevision of value; 0 if it is not there, as far as we know
	watched int64  // ModRevision as the watch of the key sees it; 0 if none is in sync
	tainted map[*lease]struct{}
}

// registrations are those of one client.
type registrations struct {
	mu      sync.Mutex
	entries map[registrationID]*registration
}

// hold returns the registration, and keeps it until drop.
func (rs *registrations) hold(key, service, id, owner string) *registration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rid := registrationID{key, owner}
	reg := rs.entries[rid]
	if reg == nil {
		reg = &registration{
			registrationID: rid, service: service, id: id,
			turn: make(chan struct{}, 1), tainted: make(map[*lease]struct{}),
		}
		rs.entries[rid] = reg
	}
	reg.calls++
	return reg
}

// drop lets go of a registration, and forgets it if nothing is stored.
func (rs *registrations) drop(reg *registration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	reg.calls--
	if reg.calls == 0 && reg.written == 0 && len(reg.tainted) == 0 {
		delete(rs.entries, reg.registrationID)
	}
}

// take waits for the turn to work on the registration, within ctx.
func (reg *registration) take(ctx context.Context) (done func(), err error) {
	select {
	case reg.turn <- struct{}{}:
		return func() { <-reg.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// holds reports whether the value is known to lie on the lease, and vouched that
// a watch in sync says so too.
func (rs *registrations) holds(reg *registration, l *lease, value []byte) (same, vouched bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	same = reg.written > 0 && reg.lease == l && slices.Equal(reg.value, value)
	return same, same && reg.watched == reg.written
}

func (rs *registrations) revision(reg *registration) int64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return reg.written
}

// stored notes that the value lies on the lease at the revision.
func (rs *registrations) stored(reg *registration, l *lease, value []byte, revision int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if revision >= reg.written || reg.lease != l {
		reg.lease, reg.value, reg.written = l, value, revision
	}
}

// lost notes that the entry is not ours any more.
func (rs *registrations) lost(reg *registration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	reg.written, reg.lease, reg.value = 0, nil, nil
}

// saw notes what the watch of the key last saw; 0 when it is not in sync.
func (rs *registrations) saw(reg *registration, revision int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	reg.watched = revision
}

// taint notes that a write on the lease may yet be applied.
func (rs *registrations) taint(reg *registration, l *lease) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	reg.tainted[l] = struct{}{}
}

// dead notes that nothing can be written on the lease any more.
func (rs *registrations) dead(l *lease) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for rid, reg := range rs.entries {
		delete(reg.tainted, l)
		if reg.lease == l {
			reg.written, reg.lease, reg.value = 0, nil, nil
		}
		if reg.calls == 0 && reg.written == 0 && len(reg.tainted) == 0 {
			delete(rs.entries, rid)
		}
	}
}

// taints returns the leases that a late write of the registration may be on.
func (rs *registrations) taints(reg *registration) []*lease {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return slices.Collect(maps.Keys(reg.tainted))
}

// others returns what else lies on the lease.
func (rs *registrations) others(reg *registration, l *lease) []*registration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var others []*registration
	for _, o := range rs.entries {
		if o != reg && o.lease == l && o.written > 0 {
			others = append(others, o)
		}
	}
	return others
}
