package drivertest

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// outageChecks are about a client that can't reach its backend: rule 4.
func outageChecks[V any]() []check[*run[V]] {
	noCut := lacks(func(r *run[V]) bool { return r.faults.Cut == nil }, "the harness has no Cut")
	noSilence := lacks(func(r *run[V]) bool { return r.faults.Silence == nil }, "the harness has no Silence")
	noDeny := lacks(func(r *run[V]) bool { return r.faults.Deny == nil }, "the harness has no Deny")
	return []check[*run[V]]{
		{name: "WatchEndsWhenCut", rule: ruleCut, run: endsWhenCut[V], missing: noCut},
		{name: "WatchEndsWhenBrieflyCut", rule: ruleReconnect, run: endsWhenBrieflyCut[V], missing: noCut},
		{name: "WatchEndsWhenSilent", rule: ruleSilent, run: endsWhenSilent[V], missing: noSilence},
		{name: "WatchStartEndsWhenSilent", rule: ruleSilent, run: startEndsWhenSilent[V], missing: noSilence},
		{name: "ListFailsWhenCut", rule: ruleCallCut, run: listFailsWhenCut[V], missing: noCut},
		{name: "ListKeepsItsDeadlineWhenSilent", rule: ruleDeadline, run: listKeepsDeadline[V], missing: noSilence},
		{name: "ListReturnsTheCause", rule: ruleCancel, run: listReturnsCause[V]},
		{name: "DeniedIsDenied", rule: ruleDenied, run: denied[V], missing: noDeny},
		{
			name: "ListIsAReplicaWithoutQuorum", rule: ruleReplica, run: replicaWithoutQuorum[V],
			missing: lacks(func(r *run[V]) bool { return r.faults.LoseQuorum == nil }, "the harness has no LoseQuorum"),
		},
		{name: "ListShowsTheTruthAfterAnOutage", rule: ruleRecover, run: truthAfterOutage[V], missing: noCut},
	}
}

func endsWhenCut[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"a": 1})
	from := r.list(c)
	all := []*observation[V]{r.observe(c, from), r.observe(c, from)}
	for _, o := range all {
		r.inSync(o)
	}
	r.faults.Cut(r.base)
	for _, o := range all {
		r.wantKind("watch that was cut off", r.ends(o, breakBound+slack, "its connection broke"), core.ErrUnavailable)
	}
	o := r.observe(c, from)
	r.wantKind("watch begun while cut off", r.ends(o, breakBound+slack, "new connections are refused"), core.ErrUnavailable)
}

func endsWhenBrieflyCut[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"a": 1})
	o := r.observe(c, r.list(c))
	r.inSync(o)
	r.faults.Cut(r.base)
	r.faults.Heal(r.base)
	r.wantKind("watch whose connection broke", r.ends(o, breakBound+slack, "its connection broke, though the backend was back at once"), core.ErrUnavailable)
}

func endsWhenSilent[V any](r *run[V]) {
	c := r.open()
	o := r.observe(c, r.list(c))
	r.inSync(o)
	r.faults.Silence(r.base)
	start := time.Now()
	r.wantKind("watch of a silent backend", r.ends(o, 2*r.heartbeat+slack, "the backend fell silent"), core.ErrUnavailable)
	for _, s := range o.recorded() {
		if s.at.After(start.Add(slack)) {
			r.Errorf("a watch yielded something %v after its backend had fallen silent", s.at.Sub(start))
		}
	}
}

func startEndsWhenSilent[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	r.faults.Silence(r.base)
	o := r.observe(c, from)
	r.wantKind("watch begun while the backend was silent", r.ends(o, 2*r.heartbeat+slack, "the backend is silent"), core.ErrUnavailable)
}

func listFailsWhenCut[V any](r *run[V]) {
	c := r.open()
	r.list(c)
	r.faults.Cut(r.base)
	ctx, cancel := context.WithTimeout(r.base.Context(), time.Second)
	defer cancel()
	var err error
	if !in(time.Second+slack, func() { _, err = c.list(ctx) }) {
		r.Fatalf("a list went on after its deadline")
	}
	r.wantKind("list while cut off", err, core.ErrUnavailable)
}

func listKeepsDeadline[V any](r *run[V]) {
	c := r.open()
	r.list(c)
	r.faults.Silence(r.base)
	r.keepsDeadline("list", func(ctx context.Context) error {
		_, err := c.list(ctx)
		return err
	})
}

// keepsDeadline checks a call to a silent backend: its deadline comes back as
// ErrUnavailable, its caller's own cancel as it is.
func (r *run[V]) keepsDeadline(what string, call func(context.Context) error) {
	r.Helper()
	const deadline = 300 * time.Millisecond
	errLate := errors.New("drivertest: too late")
	ctx, cancel := context.WithTimeoutCause(r.base.Context(), deadline, errLate)
	defer cancel()
	var err error
	if !in(deadline+slack, func() { err = call(ctx) }) {
		r.Fatalf("a %s with a deadline in %v went on for %v more", what, deadline, slack)
	}
	r.wantKind(what+" whose deadline passed", err, core.ErrUnavailable)
	if !errors.Is(err, errLate) {
		r.Errorf("%s whose deadline passed: error %v does not hold context.Cause(ctx)", what, err)
	}

	cancelled, stop := context.WithCancelCause(r.base.Context())
	timer := time.AfterFunc(100*time.Millisecond, func() { stop(errCallers) })
	defer timer.Stop()
	if !in(releaseBound+slack, func() { err = call(cancelled) }) {
		r.Fatalf("a %s went on for %v after its caller had cancelled it", what, releaseBound)
	}
	if err != errCallers { //nolint:errorlint // the very value, unwrapped
		r.Errorf("%s that its caller cancelled: got error %v; want context.Cause(ctx) as it is", what, err)
	}
}

func listReturnsCause[V any](r *run[V]) {
	c := r.open()
	r.list(c)
	ctx, cancel := context.WithCancelCause(r.base.Context())
	cancel(errCallers)
	var err error
	if !in(releaseBound+slack, func() { _, err = c.list(ctx) }) {
		r.Fatalf("a list went on after its caller had cancelled it")
	}
	if err != errCallers { //nolint:errorlint // the very value, unwrapped
		r.Errorf("list whose ctx was cancelled: got error %v; want context.Cause(ctx) as it is", err)
	}
}

func denied[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	r.faults.Deny(r.base)
	_, err := c.list(r.ctx())
	r.wantKind("list", err, core.ErrDenied)
	o := r.observe(c, from)
	r.wantKind("watch", r.ends(o, max(r.patience, 2*r.heartbeat), "the backend refuses"), core.ErrDenied)
	r.faults.Heal(r.base)
	r.listAgain(c)
}

func replicaWithoutQuorum[V any](r *run[V]) {
	c := r.open()
	want := map[string]int{"a": 1, "b": 2}
	r.put(want)
	from := r.list(c)
	o := r.observe(c, from)
	r.inSync(o)
	r.faults.LoseQuorum(r.base)
	r.wantKind("watch that lost its quorum", r.ends(o, 2*r.heartbeat+slack, "there is no quorum"), core.ErrUnavailable)

	ctx, cancel := context.WithTimeout(r.base.Context(), r.patience)
	defer cancel()
	s, err := c.list(ctx)
	if err != nil {
		r.Fatalf("list without quorum failed: %v", err)
	}
	if !s.Replica {
		r.Errorf("a list that was answered without quorum does not say so")
	}
	// A member may lag behind, but it was in sync and nothing was written since.
	r.wantSet("list without quorum", s.Items, want)
	r.wantKind("watch begun without quorum", r.ends(r.observe(c, from), 2*r.heartbeat+slack, "there is no quorum"), core.ErrUnavailable)

	r.faults.Heal(r.base)
	r.wantSet("list after the quorum was back", r.listAgain(c).Items, want)
}

func truthAfterOutage[V any](r *run[V]) {
	c := r.open()
	r.put(map[string]int{"stays": 1, "changes": 1, "goes": 1})
	o := r.observe(c, r.list(c))
	r.inSync(o)
	r.faults.Cut(r.base)
	if !r.putWhileCut {
		r.faults.Heal(r.base)
	}
	r.put(map[string]int{"changes": 2, "comes": 1})
	r.remove("goes")
	if r.putWhileCut {
		r.faults.Heal(r.base)
	}
	want := map[string]int{"stays": 1, "changes": 2, "comes": 1}
	from := r.listAgain(c)
	r.wantSet("list after an outage", from.Items, want)
	o = r.observe(c, from)
	r.put(map[string]int{"later": 1})
	want["later"] = 1
	r.shows(o, want)
}
