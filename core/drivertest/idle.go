package drivertest

import "time"

// idleChecks are about a watch that nothing happens to: rule 4.
func idleChecks[V any]() []check[*run[V]] {
	return []check[*run[V]]{
		{name: "WatchBeats", rule: ruleHeartbeat, run: beats[V]},
		{
			name: "IdleCost", rule: ruleIdleCost, run: idleCost[V],
			missing: lacks(func(r *run[V]) bool { return r.faults.Requests == nil }, "the harness can't count Requests"),
		},
	}
}

func beats[V any](r *run[V]) {
	const intervals = 4
	c := r.open()
	r.put(map[string]int{"a": 1})
	from := r.list(c)
	start := time.Now()
	o := r.observe(c, from)
	if !o.wait((intervals+2)*r.heartbeat+slack, func() bool { return o.beats >= intervals || !o.endedAt.IsZero() }) {
		r.Fatalf("a watch of an idle backend yielded fewer than %d heartbeats in %v, with an interval of %v", intervals, time.Since(start), r.heartbeat)
	}
	if err := o.failed(); err != nil {
		r.Fatalf("a watch of a healthy backend ended: %v", err)
	}
	last := start
	for _, s := range o.recorded() {
		if !s.Heartbeat() {
			r.Errorf("a watch of an idle backend yielded a change")
			continue
		}
		if gap := s.at.Sub(last); gap > r.heartbeat*3/2+slack {
			r.Errorf("a watch of an idle backend was silent for %v, with an interval of %v", gap, r.heartbeat)
		}
		last = s.at
	}
	// What a heartbeat names is a revision to continue from.
	from.Revision = o.recorded()[0].Revision
	o = r.observe(c, from)
	r.put(map[string]int{"b": 1})
	r.shows(o, map[string]int{"a": 1, "b": 1})
}

func idleCost[V any](r *run[V]) {
	const watches, intervals = 6, 5
	c := r.open()
	from := r.list(c)
	var all []*observation[V]
	for range watches {
		all = append(all, r.observe(c, from))
	}
	for _, o := range all {
		r.inSync(o)
	}
	start, before := time.Now(), r.faults.Requests(r.base)
	for range intervals {
		for _, o := range all {
			r.inSync(o)
		}
	}
	cost, elapsed := r.faults.Requests(r.base)-before, time.Since(start)
	// One interval more, since the count may begin just before a beat.
	allowed := 2 * (int64(elapsed/r.heartbeat) + 1)
	if cost > allowed {
		r.Errorf("%d idle watches of one client cost %d requests in %v, with an interval of %v; at most %d are allowed", watches, cost, elapsed.Round(time.Millisecond), r.heartbeat, allowed)
	}
}
