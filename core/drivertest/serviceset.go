package drivertest

import (
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

func serviceChecks() []check[*registryRun] {
	return []check[*registryRun]{
		{name: "DiscoverOfNothing", rule: ruleList, run: discoversNothing},
		{name: "ServiceNeighbours", rule: ruleNeighbour, run: serviceNeighbours},
		{name: "MalformedNeighbour", rule: ruleMalformed, run: malformedInstance, missing: lacks(func(r *registryRun) bool { return r.area.PutMalformed == nil }, "the harness has no PutMalformed")},
		{name: "AnyTextIsAName", rule: ruleAnyText, run: oddInstances},
		{name: "ManyInstances", rule: ruleList, run: manyInstances},
	}
}

func discoversNothing(r *registryRun) {
	c := r.client()
	s := r.discover(c, "nobody registered this")
	if len(s.Items) != 0 || len(s.Bad) != 0 || s.Replica {
		r.Errorf("Discover of a service that nobody registered: %d items, %d bad, replica %v; want nothing", len(s.Items), len(s.Bad), s.Replica)
	}
	o := r.observe(r.of(c, service), r.discover(c, service))
	r.register(c, r.lasting(numbered("a", 1), ownerFirst))
	r.shows(o, map[string]int{"a": 1})
}

func serviceNeighbours(r *registryRun) {
	c := r.client()
	services := []string{"foo", "foobar", "foo/bar", "foo/", "fo", "foo%2Fbar", "Foo", "foo bar", "foo\x00"}
	var all []*observation[core.Instance]
	for _, s := range services {
		all = append(all, r.observe(r.of(c, s), r.discover(c, s)))
	}
	instance := func(s string, id string) core.Instance { return core.Instance{ID: id, Service: s, Version: s} }
	for _, s := range services {
		r.register(c, r.lasting(instance(s, "x"), ownerFirst))
		r.register(c, r.lasting(instance(s, "bar/x"), ownerFirst))
	}
	for n, s := range services {
		r.wantInstances("beside services that begin with the same letters", c, s, instance(s, "x"), instance(s, "bar/x"))
		o := all[n]
		if !o.wait(r.patience, func() bool { return len(o.set) >= 2 }) {
			r.Errorf("the watch of service %s did not show its two instances", brief(s))
		}
	}
	r.deregister(c, r.lasting(instance("foo", "bar/x"), ownerFirst))
	r.wantInstances("after an instance of another service was deregistered", c, "foo/bar", instance("foo/bar", "x"), instance("foo/bar", "bar/x"))
	for n, s := range services {
		r.inSync(all[n])
		for _, u := range all[n].recorded() {
			for id, i := range u.Put {
				if i.Service != s || i.ID != id {
					r.Errorf("the watch of service %s showed %s of service %s", brief(s), brief(i.ID), brief(i.Service))
				}
			}
			if s != "foo" && len(u.Delete) > 0 {
				r.Errorf("the watch of service %s showed that %q are gone, which nobody removed there", brief(s), u.Delete)
			}
		}
	}
}

func malformedInstance(r *registryRun) {
	const mark = "hunter2-in-a-malformed-value"
	c := r.client()
	r.put(map[string]int{"good": 1, "spoilt": 1})
	o := r.observe(r.of(c, service), r.discover(c, service))
	r.inSync(o)
	r.area.PutMalformed(r.base, service, "spoilt", mark)
	r.area.PutMalformed(r.base, service, "bad from the start", mark)
	r.put(map[string]int{"good": 2})

	s := r.discover(c, service)
	r.wantSet("Discover beside a malformed entry", s.Items, map[string]int{"good": 2})
	r.wantBad(s.Bad, mark, "spoilt", "bad from the start")
	// The last good value of what was spoilt stays.
	r.shows(o, map[string]int{"good": 2, "spoilt": 1})
	o.mu.Lock()
	r.wantBad(o.bad, mark, "spoilt", "bad from the start")
	o.mu.Unlock()

	// Who owns the ID may write over it.
	r.put(map[string]int{"spoilt": 3})
	r.shows(o, map[string]int{"good": 2, "spoilt": 3})
	r.wantSet("Discover after a malformed entry was registered anew", r.discover(c, service).Items, map[string]int{"good": 2, "spoilt": 3})
}

func oddInstances(r *registryRun) {
	c, peer := r.client(), r.client()
	names := oddNames(orDefault(r.h.MaxName, 300))
	seen := r.of(peer, service)
	o := r.observe(seen, r.list(seen))
	want := map[string]int{}
	for n, id := range names {
		want[id] = n
		r.register(c, r.lasting(numbered(id, n), ownerFirst))
	}
	r.wantSet("Discover of odd IDs", r.list(seen).Items, want)
	r.shows(o, want)
	for id := range want {
		r.deregister(c, r.lasting(numbered(id, 0), ownerFirst))
	}
	r.shows(o, nil)

	for _, name := range names {
		r.register(c, r.lasting(core.Instance{ID: "x", Service: name}, ownerFirst))
	}
	for _, name := range names {
		r.wantInstances("a service with an odd name", peer, name, core.Instance{ID: "x", Service: name})
	}
}

func manyInstances(r *registryRun) {
	c := r.client()
	seen := r.of(c, service)
	o := r.observe(seen, r.list(seen))
	want := map[string]int{}
	for n := range r.many {
		want[fmt.Sprintf("i-%05d", n)] = n % 100
	}
	r.put(want)
	r.wantSet("Discover of many instances", r.list(seen).Items, want)
	r.shows(o, want)
	for n := range r.many / 2 {
		id := fmt.Sprintf("i-%05d", 2*n)
		r.remove(id)
		delete(want, id)
	}
	r.shows(o, want)
	r.wantSet("Discover after half of many are gone", r.list(seen).Items, want)
}
