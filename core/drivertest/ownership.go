package drivertest

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func ownershipChecks() []check[*registryRun] {
	noHold := lacks(func(r *registryRun) bool { return r.area.Hold == nil }, "the harness can't Hold writes")
	return []check[*registryRun]{
		{name: "NewestOwnerWins", rule: ruleOwner, run: newestWins},
		{name: "DeregisterIsIdempotent", rule: ruleDereg, run: deregisterIdempotent},
		{name: "DeregisterRemovesOnlyItsOwn", rule: ruleDereg, run: deregistersOwn},
		{name: "LateWriteAfterDeregister", rule: ruleLate, run: lateAfterDeregister, missing: noHold},
		{name: "LateWriteAfterTakeover", rule: ruleOwner, run: lateAfterTakeover, missing: noHold},
	}
}

func newestWins(r *registryRun) {
	older, newer := r.client(), r.client()
	was, is := numbered("a", 1), numbered("a", 2)
	r.register(older, r.lasting(was, ownerFirst))
	r.register(newer, r.lasting(is, ownerSecond))
	r.wantInstances("after a newer owner registered the ID", older, service, is)
	r.wantKind("Register by the older owner", older.Register(r.ctx(), r.lasting(was, ownerFirst)), core.ErrConflict)
	r.wantInstances("after the older owner tried again", newer, service, is)

	// One process may hold both, an announcement that was made anew.
	r.wantKind("Register by the older owner through the newer one's client", newer.Register(r.ctx(), r.lasting(was, ownerFirst)), core.ErrConflict)
	again := numbered("a", 3)
	r.register(newer, r.lasting(again, ownerSecond))
	r.wantInstances("after the newer owner registered again", older, service, again)

	r.deregister(newer, r.lasting(again, ownerSecond))
	r.register(older, r.lasting(was, ownerFirst))
	r.wantInstances("after the older owner found the ID free", newer, service, was)
}

func deregisterIdempotent(r *registryRun) {
	c, peer := r.client(), r.client()
	reg := r.lasting(numbered("a", 1), ownerFirst)
	r.deregister(c, reg) // never registered
	for range 2 {
		r.register(c, reg)
		r.register(c, reg)
		r.deregister(c, reg)
		r.wantInstances("as soon as Deregister returned", peer, service)
		r.deregister(c, reg)
		r.deregister(peer, reg)
	}
	// Only ID, Service and Owner matter.
	r.register(c, reg)
	r.deregister(c, core.Registration{Instance: core.Instance{ID: "a", Service: service}, Owner: ownerFirst})
	r.wantInstances("after a Deregister with ID, Service and Owner alone", peer, service)
}

func deregistersOwn(r *registryRun) {
	older, newer := r.client(), r.client()
	mine := r.lasting(numbered("a", 1), ownerFirst)
	short := core.Registration{Instance: numbered("b", 1), Owner: ownerFirst, TTL: max(r.minTTL, time.Minute)}
	other := core.Registration{Instance: core.Instance{ID: "a", Service: "another"}, Owner: ownerFirst, TTL: mine.TTL}
	r.register(older, mine)
	r.register(older, short)
	r.register(older, other)
	taken := r.lasting(numbered("a", 2), ownerSecond)
	r.register(newer, taken)
	r.deregister(older, mine)
	r.wantInstances("after the older owner of one ID deregistered it", newer, service, taken.Instance, short.Instance)
	r.deregister(newer, r.lasting(numbered("a", 2), ownerThird))
	r.wantInstances("after an owner deregistered what it never held", older, service, taken.Instance, short.Instance)
	r.deregister(newer, taken)
	r.wantInstances("after one of three registrations was deregistered", newer, service, short.Instance)
	r.wantInstances("after one of three registrations was deregistered", newer, "another", other.Instance)
}

// loses makes a Register whose outcome is unknown.
func (r *registryRun) loses(c core.Registry, reg core.Registration) Held {
	r.Helper()
	held := r.area.Hold(r.base)
	ctx, cancel := context.WithTimeout(r.base.Context(), 500*time.Millisecond)
	defer cancel()
	var err error
	if !in(500*time.Millisecond+slack, func() { err = c.Register(ctx, reg) }) {
		r.Fatalf("Register went on after its deadline")
	}
	r.wantKind("Register that got no answer", err, core.ErrUnavailable)
	held.Pass(r.base)
	return held
}

func lateAfterDeregister(r *registryRun) {
	c, peer := r.client(), r.client()
	stays := r.lasting(numbered("stays", 1), ownerFirst)
	r.register(c, stays)
	r.discover(peer, service)
	for _, known := range []bool{false, true} {
		reg := r.lasting(numbered("a", 1), ownerFirst)
		if known {
			r.register(c, reg)
			reg.Instance = numbered("a", 2)
		}
		held := r.loses(c, reg)
		r.insist(func(ctx context.Context) error { return c.Deregister(ctx, reg) })
		seen := r.of(peer, service)
		from := r.listAgain(seen)
		r.wantSet("as soon as Deregister returned", from.Items, map[string]int{"stays": 1})
		o := r.observe(seen, from)
		held.Release(r.base)
		r.wantSet("after the late Register arrived", r.listAgain(seen).Items, map[string]int{"stays": 1})
		r.inSync(o)
		for _, s := range o.recorded() {
			if _, back := s.Put["a"]; back {
				r.Errorf("a watch saw the instance come back after Deregister had returned")
			}
			if len(s.Delete) > 0 {
				r.Errorf("another registration of the same client was gone for a while")
			}
		}
		// The owner itself may come back, of course.
		back := r.lasting(numbered("a", 3), ownerFirst)
		r.insist(func(ctx context.Context) error { return c.Register(ctx, back) })
		r.wantInstances("registered anew after the late Register", peer, service, back.Instance, stays.Instance)
		r.deregister(c, back)
	}
}

func lateAfterTakeover(r *registryRun) {
	c, peer := r.client(), r.client()
	r.discover(peer, service)
	reg := r.lasting(numbered("a", 1), ownerFirst)
	r.register(c, reg)
	reg.Instance = numbered("a", 2)
	held := r.loses(c, reg)
	taken := r.lasting(numbered("a", 3), ownerSecond)
	r.insist(func(ctx context.Context) error { return peer.Register(ctx, taken) })
	held.Release(r.base)
	r.wantInstances("after an older owner's late Register arrived", peer, service, taken.Instance)
}
