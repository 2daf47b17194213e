package drivertest

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// endingChecks are about how a watch ends when nothing is wrong: rules 3 and 5.
func endingChecks[V any]() []check[*run[V]] {
	noCut := lacks(func(r *run[V]) bool { return r.faults.Cut == nil }, "the harness has no Cut")
	noSilence := lacks(func(r *run[V]) bool { return r.faults.Silence == nil }, "the harness has no Silence")
	return []check[*run[V]]{
		{name: "WatchEndsWithTheCause", rule: ruleOneError, run: endsWithCause[V]},
		{name: "WatchRangesStartAnew", rule: ruleAnew, run: rangesAnew[V]},
		{name: "WatchReleasesEverything", rule: ruleRelease, run: releases[V]},
		{name: "WatchReleasesEverythingWhenCut", rule: ruleRelease, run: releasesWhenCut[V], missing: noCut},
		{name: "WatchReleasesEverythingWhenSilent", rule: ruleRelease, run: releasesWhenSilent[V], missing: noSilence},
	}
}

var errCallers = errors.New("drivertest: the caller's own reason")

func endsWithCause[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	deadlined, cancel := context.WithTimeoutCause(r.base.Context(), 30*time.Millisecond, errCallers)
	defer cancel()
	over, end := context.WithCancelCause(r.base.Context())
	end(errCallers)
	for what, ctx := range map[string]context.Context{"passed its deadline": deadlined, "was over before": over} {
		o := r.observeUnder(ctx, func(error) {}, c, from)
		if err := r.ends(o, releaseBound+slack, "its ctx "+what); err != errCallers { //nolint:errorlint // the very value, unwrapped
			r.Errorf("a watch whose ctx %s ended with %v; want context.Cause(ctx) as it is", what, err)
		}
	}

	ctx, stop := context.WithCancelCause(r.base.Context())
	o := r.observeUnder(ctx, stop, c, from)
	r.inSync(o)
	stop(errCallers)
	if err := r.ends(o, releaseBound+slack, "its ctx was cancelled"); err != errCallers { //nolint:errorlint // the very value, unwrapped
		r.Errorf("a watch whose ctx was cancelled ended with %v; want context.Cause(ctx) as it is", err)
	}
}

func rangesAnew[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	r.put(map[string]int{"a": 1})
	r.put(map[string]int{"b": 2})
	seq := c.watch(r.base.Context(), from.Revision)
	c.watch = func(context.Context, core.Revision) iterOf[V] { return seq }
	for range 3 {
		o := r.observe(c, from)
		r.shows(o, map[string]int{"a": 1, "b": 2})
		r.leaves(o)
	}
}

// leaves breaks out of watches at their next Update, a heartbeat at the latest.
func (r *run[V]) leaves(os ...*observation[V]) {
	r.Helper()
	for _, o := range os {
		o.mu.Lock()
		o.leave = true
		o.mu.Unlock()
	}
	for _, o := range os {
		if !o.wait(2*r.heartbeat+r.patience, func() bool { return !o.endedAt.IsZero() }) {
			r.Fatalf("a watch yielded nothing more, or did not end when the consumer broke out")
		}
	}
}

func releases[V any](r *run[V]) {
	before := goroutines()
	c := r.open()
	from := r.list(c)
	warm := r.observe(c, from)
	r.inSync(warm)
	warm.cancel(errCallers)
	_ = r.ends(warm, releaseBound+slack, "its ctx was cancelled")

	base := goroutines()
	for range 2 {
		var all []*observation[V]
		for range 6 {
			all = append(all, r.observe(c, from))
		}
		for _, o := range all {
			r.inSync(o)
		}
		for _, o := range all[:3] {
			o.cancel(errCallers)
		}
		for _, o := range all[:3] {
			_ = r.ends(o, releaseBound+slack, "its ctx was cancelled")
		}
		r.leaves(all[3:]...)
	}
	r.nothingLeft("after its watches had ended", base, releaseBound+slack)
	r.list(c)
	c.stop()
	r.nothingLeft("after its client was stopped", before, r.patience)
}

func releasesWhenCut[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	base := goroutines()
	o := r.observe(c, from)
	r.inSync(o)
	r.faults.Cut(r.base)
	_ = r.ends(o, breakBound+slack, "its connection broke")
	for range 5 {
		_ = r.ends(r.observe(c, from), breakBound+slack, "there is no connection")
	}
	// A client library that connects anew has goroutines that come and go, for
	// longer than one attempt takes.
	r.nothingLeft("after its watches had ended, while it was cut off", base, r.patience)
}

func releasesWhenSilent[V any](r *run[V]) {
	c := r.open()
	from := r.list(c)
	base := goroutines()
	all := []*observation[V]{r.observe(c, from), r.observe(c, from)}
	for _, o := range all {
		r.inSync(o)
	}
	r.faults.Silence(r.base)
	all = append(all, r.observe(c, from), r.observe(c, from))
	for _, o := range all {
		o.cancel(errCallers)
	}
	for _, o := range all {
		_ = r.ends(o, releaseBound+slack, "its ctx was cancelled, while the backend was silent")
	}
	r.nothingLeft("after its watches had ended, while the backend was silent", base, r.patience)
}

// nothingLeft reports a goroutine that was not there before and stays.
func (r *run[V]) nothingLeft(when string, before map[string]string, within time.Duration) {
	r.Helper()
	if stack := left(before, within, r.foreign); stack != "" {
		r.Errorf("%s the driver left a goroutine behind:\n%s", when, stack)
	}
}
