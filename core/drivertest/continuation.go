package drivertest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/holdfast-go/holdfast/core"
)

// continuationChecks are about what a watch yields: rules 1 and 2.
func continuationChecks[V any]() []check[*run[V]] {
	return []check[*run[V]]{
		{name: "WatchClosesTheGap", rule: ruleContinue, run: closesTheGap[V]},
		{name: "WatchKeepsTheOrder", rule: ruleContinue, run: keepsOrder[V]},
		{name: "WatchNamesItsState", rule: ruleState, run: namesState[V]},
		{name: "WatchRefusesUnknownRevision", rule: ruleRevision, run: refusesUnknown[V]},
		{
			name: "WatchShowsTransactionsWhole", rule: ruleTransaction, run: transactionsWhole[V],
			missing: lacks(func(r *run[V]) bool { return r.txn == nil }, "the backend has no transactions over several entries"),
		},
		{name: "MapsAreTheCallers", rule: ruleOwnMaps, run: ownMaps[V]},
	}
}

func closesTheGap[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"stays": 1, "changes": 1, "goes": 1})
	from := r.list(c)
	r.wantSet("list", from.Items, map[string]int{"stays": 1, "changes": 1, "goes": 1})

	r.put(map[string]int{"changes": 2})
	r.put(map[string]int{"comes": 1})
	r.remove("goes")
	o := r.observe(c, from)
	want := map[string]int{"stays": 1, "changes": 2, "comes": 1}
	r.shows(o, want)

	r.put(map[string]int{"goes": 3})
	r.remove("stays")
	r.shows(o, map[string]int{"goes": 3, "changes": 2, "comes": 1})
	r.put(map[string]int{"stays": 4})
	r.shows(o, map[string]int{"goes": 3, "changes": 2, "comes": 1, "stays": 4})
}

func keepsOrder[V any](r *run[V]) {
	const last = 40
	c := r.open()
	r.put(map[string]int{"first": 0, "second": 0})
	o := r.observe(c, r.list(c))
	for n := 1; n <= last; n++ {
		r.put(map[string]int{"first": n})
		r.put(map[string]int{"second": n})
	}
	r.shows(o, map[string]int{"first": last, "second": last})

	// Whenever a change of second is seen, first must have been at least as new.
	at := map[string]int{}
	for _, s := range o.recorded() {
		for _, key := range []string{"first", "second"} {
			v, ok := s.Put[key]
			if !ok {
				continue
			}
			n := 0
			for n <= last && !r.same(key, v, n) {
				n++
			}
			if n < at[key] {
				r.Errorf("watch showed change %d of %q after change %d", n, key, at[key])
			}
			at[key] = n
		}
		if at["second"] > at["first"] {
			r.Errorf("watch showed change %d of \"second\", made later, before change %d of \"first\"", at["second"], at["second"])
		}
	}
}

// namesState compares each revision that a list and the watch both saw.
func namesState[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	o := r.observe(c, from)
	want := map[string]int{}
	lists := map[core.Revision]map[string]int{from.Revision: {}}
	for n := range 20 {
		key := strconv.Itoa(n % 4)
		if _, ok := want[key]; ok && n%3 == 0 {
			r.remove(key)
			delete(want, key)
		} else {
			r.put(map[string]int{key: n})
			want[key] = n
		}
		s := r.list(c)
		r.wantSet("list after a change", s.Items, want)
		lists[s.Revision] = maps.Clone(want)
	}
	r.shows(o, want)
	r.inSync(o)
	replay := newReplay(from)
	for _, u := range o.recorded() {
		replay.apply(u.Update)
		if want, ok := lists[u.Revision]; ok {
			r.wantSet("the set of a watch at a revision that was listed too", replay.set, want)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// The last list is the state that an idle watch in sync must agree with.
	r.wantSet("the set of the watch at its last heartbeat", o.set, want)
}

func refusesUnknown[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"a": 1, "b": 2})
	for _, after := range []core.Revision{"", "no revision of this backend"} {
		r.discontinued(c, after, map[string]int{"a": 1, "b": 2}, ruleRevision)
	}
}

// discontinued checks that a watch from a revision ends with ErrRevisionGone, or
// yields first a Reset to the set wanted.
func (r *run[V]) discontinued(c client[V], after core.Revision, want map[string]int, rule string) {
	r.Helper()
	t := ruled{r.base, rule}
	o := r.observe(c, core.Snapshot[V]{Revision: after})
	if !o.wait(max(r.patience, 3*r.heartbeat), func() bool { return len(o.steps) > 0 || !o.endedAt.IsZero() }) {
		t.Fatalf("watch from revision %q neither ended nor yielded a Reset", after)
	}
	steps := o.recorded()
	switch {
	case len(steps) == 0:
		if err := o.failed(); !errors.Is(err, core.ErrRevisionGone) {
			t.Errorf("watch from revision %q ended with %v; want %v", after, err, core.ErrRevisionGone)
		}
	case !steps[0].Reset:
		t.Errorf("watch from revision %q went on as if nothing were missing", after)
	default:
		r.shows(o, want)
	}
	o.cancel(errOver)
}

func transactionsWhole[V any](r *run[V]) {
	const keys, rounds = 30, 15
	c := r.open()
	r.put(map[string]int{"once": 1})
	o := r.observe(c, r.list(c))
	want := map[string]int{}
	for n := 1; n <= rounds; n++ {
		want = map[string]int{}
		for k := range keys {
			want["k"+strconv.Itoa(k)+"/"+strconv.Itoa(n%2)] = n
		}
		var gone []string
		for k := range 2 {
			gone = append(gone, "k"+strconv.Itoa(k)+"/"+strconv.Itoa((n+1)%2))
		}
		r.txn(want, gone...)
	}
	for k := 2; k < keys; k++ {
		want["k"+strconv.Itoa(k)+"/"+strconv.Itoa((rounds+1)%2)] = rounds - 1
	}
	want["once"] = 1
	r.shows(o, want)

	for _, s := range o.recorded() {
		if s.Heartbeat() || s.Reset {
			continue
		}
		if len(s.Put) != keys {
			r.Fatalf("an Update holds %d of the %d entries that one transaction wrote", len(s.Put), keys)
		}
		of := map[int]bool{}
		for k, v := range s.Put {
			for n := 1; n <= rounds; n++ {
				if r.same(k, v, n) {
					of[n] = true
				}
			}
		}
		if len(of) != 1 {
			r.Fatalf("an Update mixes the entries of %d transactions", len(of))
		}
	}
}

func ownMaps[V any](r *run[V]) {
	c := r.open()
	want := map[string]int{"a": 1, "b": 2}
	r.put(want)
	from := r.list(c)
	for _, k := range slices.Collect(maps.Keys(from.Items)) {
		delete(from.Items, k)
	}
	again := r.list(c)
	r.wantSet("list after the caller emptied the map of the list before", again.Items, want)

	first, second := r.observe(c, again), r.observe(c, again)
	spoil := make(chan struct{})
	ctx, cancel := context.WithCancel(r.base.Context())
	defer cancel()
	go func() {
		defer close(spoil)
		for u, err := range c.watch(ctx, again.Revision) {
			if err != nil {
				return
			}
			clear(u.Put)
			clear(u.Delete)
		}
	}()
	r.put(map[string]int{"a": 3, "c": 4})
	r.remove("b")
	for _, o := range []*observation[V]{first, second} {
		r.shows(o, map[string]int{"a": 3, "c": 4})
	}
	cancel()
	<-spoil
	r.wantSet("list after a caller emptied the maps of Updates", r.list(c).Items, map[string]int{"a": 3, "c": 4})
}
