package drivertest

import "github.com/holdfast-go/holdfast/core"

// lostPastChecks are about revisions that can't be continued: rule 1.
func lostPastChecks[V any]() []check[*run[V]] {
	noWipe := lacks(func(r *run[V]) bool { return r.faults.Wipe == nil || r.faults.Cut == nil }, "the harness has no Wipe or no Cut")
	return []check[*run[V]]{
		{
			name: "WatchRefusesCompactedRevision", rule: ruleRevision, run: refusesCompacted[V],
			missing: lacks(func(r *run[V]) bool { return r.faults.Compact == nil }, "the harness has no Compact"),
		},
		{
			name: "CompactedWhileCut", rule: ruleRevision, run: compactedWhileCut[V],
			missing: lacks(func(r *run[V]) bool { return r.faults.Compact == nil || r.faults.Cut == nil }, "the harness has no Compact or no Cut"),
		},
		{name: "WipedWhileCut", rule: ruleRevision, run: wipedWhileCut[V], missing: noWipe},
		{name: "WipedAndOvertakenWhileCut", rule: ruleRevision, run: overtakenWhileCut[V], missing: noWipe},
	}
}

func refusesCompacted[V any](r *run[V]) {
	c := r.open()
	old := r.list(c)
	r.put(map[string]int{"a": 1, "b": 1})
	r.remove("b")
	r.put(map[string]int{"a": 2})
	r.faults.Compact(r.base)
	want := map[string]int{"a": 2}
	r.discontinued(c, old.Revision, want, ruleRevision)

	// The newest revision can still be continued.
	from := r.list(c)
	r.wantSet("list after a compaction", from.Items, want)
	o := r.observe(c, from)
	r.put(map[string]int{"c": 1})
	want["c"] = 1
	r.shows(o, want)
}

func compactedWhileCut[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"stays": 1, "goes": 1})
	old := r.list(c)
	o := r.observe(c, old)
	r.inSync(o)
	r.faults.Cut(r.base)
	r.wantKind("watch that was cut off", r.ends(o, breakBound+slack, "its connection broke"), core.ErrUnavailable)
	if !r.putWhileCut {
		r.faults.Heal(r.base)
	}
	r.put(map[string]int{"comes": 1})
	r.remove("goes")
	r.faults.Compact(r.base)
	if r.putWhileCut {
		r.faults.Heal(r.base)
	}
	want := map[string]int{"stays": 1, "comes": 1}
	from := r.listAgain(c)
	r.wantSet("list after a compaction", from.Items, want)
	r.discontinued(c, old.Revision, want, ruleRevision)
	o = r.observe(c, from)
	r.put(map[string]int{"later": 1})
	want["later"] = 1
	r.shows(o, want)
}

func wipedWhileCut[V any](r *run[V]) {
	r.wiped(func(core.Revision) core.Revision { return "" }, true)
}

func overtakenWhileCut[V any](r *run[V]) {
	r.wiped(func(newest core.Revision) core.Revision { return newest }, r.blind == "")
}

// wiped loses the backend's data while a client is cut off, and checks what that
// client sees afterwards.
func (r *run[V]) wiped(past func(newest core.Revision) core.Revision, tells bool) {
	r.Helper()
	c := r.open()
	r.put(map[string]int{"lost": 1, "rewritten": 1})
	for n := range 10 {
		r.put(map[string]int{"rewritten": n + 2})
	}
	old := r.list(c)
	o := r.observe(c, old)
	r.inSync(o)
	r.faults.Cut(r.base)
	r.faults.Wipe(r.base, past(old.Revision))
	want := map[string]int{"rewritten": 100, "new": 1}
	if r.putWhileCut {
		r.put(want)
		r.faults.Heal(r.base)
	} else {
		r.faults.Heal(r.base)
		r.put(want)
	}
	err := r.ends(o, breakBound+slack, "its connection broke, and the backend's data were lost meanwhile")
	r.wantKind("watch that was cut off", err, core.ErrUnavailable)

	from := r.listAgain(c)
	r.wantSet("list after the backend's data were lost", from.Items, want)
	if tells {
		r.discontinued(c, old.Revision, want, ruleRevision)
	} else {
		r.base.Logf("a watch from the lost history is not tried: %s", r.blind)
	}

	o = r.observe(c, from)
	r.put(map[string]int{"later": 1})
	want["later"] = 1
	r.shows(o, want)
}
