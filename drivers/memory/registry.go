package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Registry announces and finds instances in a [Backend]. It implements
// [core.Registry], [core.LossAwaiter] and [core.Comparer], and is safe for
// concurrent use.
type Registry struct {
	order
	backend *Backend
}

var (
	_ core.Registry    = (*Registry)(nil)
	_ core.LossAwaiter = (*Registry)(nil)
	_ core.Comparer    = (*Registry)(nil)
)

// Registry makes a client that announces and finds instances.
func (b *Backend) Registry() *Registry { return &Registry{backend: b} }

// PutRaw stores the entry of an instance as it stands, without an end and without
// an owner: JSON of a [core.Instance] with that ID and Service can be read, anything
// else is malformed.
func (b *Backend) PutRaw(service, id string, raw []byte) {
	e := &entry{}
	switch err := json.Unmarshal(raw, &e.instance); {
	case err != nil:
		// The decoder's own words may hold a part of the value.
		e.bad = fmt.Errorf("entry is not the JSON of an instance: %w", core.ErrCorrupt)
	case e.instance.ID != id || e.instance.Service != service || e.instance.Validate() != nil:
		e.bad = fmt.Errorf("entry is not the instance that its key names: %w", core.ErrCorrupt)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(change{service, id, e})
}

// Revoke removes the registration of an instance as if its TTL had passed. An
// unknown one doesn't matter.
func (b *Backend) Revoke(service, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(change{service: service, key: id})
}

// Origin implements [core.Registry].
func (r *Registry) Origin() string { return "memory" }

// Register implements [core.Registry].
func (r *Registry) Register(ctx context.Context, reg core.Registration) error {
	const op = "register"
	if err := reg.Validate(); err != nil {
		return failure(op, reg.Instance.ID, core.ErrInvalid, err)
	}
	reg.Instance = reg.Instance.Clone()
	return r.backend.write(ctx, op, reg, func() error { return r.backend.register(reg) })
}

// Deregister implements [core.Registry].
func (r *Registry) Deregister(ctx context.Context, reg core.Registration) error {
	const op = "deregister"
	if reg.Instance.ID == "" || reg.Instance.Service == "" || reg.Owner == "" {
		return failure(op, reg.Instance.ID, core.ErrInvalid, errors.New("ID, Service and Owner are needed"))
	}
	return r.backend.write(ctx, op, reg, func() error {
		r.backend.fence(reg)
		if e := r.backend.entries[reg.Instance.Service][reg.Instance.ID]; e != nil && e.owner == reg.Owner {
			r.backend.commit(change{service: reg.Instance.Service, key: reg.Instance.ID})
		}
		return nil
	})
}

// Discover implements [core.Registry].
func (r *Registry) Discover(ctx context.Context, service string) (core.Snapshot[core.Instance], error) {
	const op = "discover"
	if service == "" {
		return core.Snapshot[core.Instance]{}, failure(op, "", core.ErrInvalid, errNoService)
	}
	snap := core.Snapshot[core.Instance]{Items: map[string]core.Instance{}, Bad: map[string]error{}}
	err := r.backend.call(ctx, op, service, reading, func() error {
		for id, e := range r.backend.entries[service] {
			if e.bad != nil {
				snap.Bad[id] = e.bad
			} else {
				snap.Items[id] = e.instance
			}
		}
		snap.Revision = r.backend.history.revision(r.backend.history.newest)
		snap.Replica = r.backend.faults.reach == withoutQuorum
		return nil
	})
	if err != nil {
		return core.Snapshot[core.Instance]{}, err
	}
	return snap, nil
}

var errNoService = errors.New("no service is named")

// Watch implements [core.Registry].
func (r *Registry) Watch(ctx context.Context, service string, after core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return func(yield func(core.Update[core.Instance], error) bool) {
		var err error
		if service == "" {
			err = failure("watch", "", core.ErrInvalid, errNoService)
		} else {
			match := func(c change) bool { return c.service == service }
			err = r.backend.follow(ctx, service, after, match, func(at core.Revision, changes []change) bool {
				u := core.Update[core.Instance]{Revision: at}
				for _, c := range changes {
					add(&u, c)
				}
				return yield(u, nil)
			})
		}
		if err != nil {
			yield(core.Update[core.Instance]{}, err)
		}
	}
}

func add(u *core.Update[core.Instance], c change) {
	switch {
	case c.entry == nil:
		u.Delete = append(u.Delete, c.key)
	case c.entry.bad != nil:
		if u.Bad == nil {
			u.Bad = map[string]error{}
		}
		u.Bad[c.key] = c.entry.bad
	default:
		if u.Put == nil {
			u.Put = map[string]core.Instance{}
		}
		u.Put[c.key] = c.entry.instance
	}
}

// register stores an instance or refreshes it. The caller holds b.mu.
func (b *Backend) register(reg core.Registration) error {
	service, id := reg.Instance.Service, reg.Instance.ID
	old := b.entries[service][id]
	if old != nil && old.owner > reg.Owner {
		return failure("register", id, core.ErrConflict, errors.New("a newer owner holds it"))
	}
	deadline := time.Now().Add(reg.TTL)
	if old != nil && old.bad == nil && old.owner == reg.Owner && old.instance.Equal(reg.Instance) {
		old.deadline = deadline
		old.expiry.Reset(reg.TTL)
		return nil
	}
	e := &entry{instance: reg.Instance, owner: reg.Owner, deadline: deadline}
	e.expiry = time.AfterFunc(reg.TTL, func() { b.expire(service, id, e) })
	b.commit(change{service, id, e})
	return nil
}

func (b *Backend) expire(service, id string, e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries[service][id] != e {
		return
	}
	// It may have been refreshed between the timer's end and the lock.
	if left := time.Until(e.deadline); left > 0 {
		e.expiry.Reset(left)
		return
	}
	b.commit(change{service: service, key: id})
}
