package drivertest

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	breakBound   = time.Second            // rule 4, a connection that breaks
	releaseBound = time.Second            // rule 5
	slack        = 250 * time.Millisecond // for the scheduler of a busy machine
)

// check is one case of a kit, run on an R.
type check[R any] struct {
	name string
	rule string
	// missing says what the harness lacks for this case; nil or "" if nothing.
	missing func(r R) string
	run     func(r R)
}

// iterOf is what a watch returns.
type iterOf[V any] = iter.Seq2[core.Update[V], error]

// client is a registry (seen through one service) or a source of configuration.
type client[V any] struct {
	driver any
	origin func() string
	list   func(ctx context.Context) (core.Snapshot[V], error)
	watch  func(ctx context.Context, after core.Revision) iterOf[V]
	stop   func()
}

// run is one case's view of what the kits for both kinds of driver share.
type run[V any] struct {
	testing.TB // failures name the rule
	base       testing.TB
	heartbeat  time.Duration
	patience   time.Duration
	many       int
	blind      string
	secrets    []string
	foreign    func(stack string) bool
	faults     Faults

	open func() client[V]
	// put stores the n-th variant of each entry from outside, and returns when it
	// is there; remove and txn likewise. same reports whether v is variant n.
	put    func(entries map[string]int)
	remove func(keys ...string)
	txn    func(put map[string]int, remove ...string) // nil: not possible
	same   func(key string, v V, n int) bool
	// putWhileCut says that put works while the clients are cut off.
	putWhileCut bool
}

// ctx ends long after anything that is not broken would have.
func (r *run[V]) ctx() context.Context {
	ctx, cancel := context.WithTimeout(r.base.Context(), r.patience)
	r.base.Cleanup(cancel)
	return ctx
}

// list must succeed at once.
func (r *run[V]) list(c client[V]) core.Snapshot[V] {
	r.Helper()
	s, err := c.list(r.ctx())
	if err != nil {
		r.Fatalf("list failed: %v", err)
	}
	if s.Revision == "" {
		r.Fatalf("list returned a Snapshot without a Revision")
	}
	for k := range s.Bad {
		if _, ok := s.Items[k]; ok {
			r.Errorf("key %q is in both Items and Bad of one Snapshot", k)
		}
	}
	return s
}

// listAgain tries until the backend answers, as engines do after an outage.
func (r *run[V]) listAgain(c client[V]) core.Snapshot[V] {
	r.Helper()
	var s core.Snapshot[V]
	var err error
	if !poll(r.patience, func() bool {
		ctx, cancel := context.WithTimeout(r.base.Context(), r.patience/4)
		defer cancel()
		s, err = c.list(ctx)
		return err == nil && !s.Replica
	}) {
		r.Fatalf("list did not succeed within %v after the backend was healed: %v", r.patience, err)
	}
	return s
}

// wantSet reports where a set differs from the variants wanted.
func (r *run[V]) wantSet(what string, got map[string]V, want map[string]int) {
	r.Helper()
	if diff := r.diff(got, want); diff != "" {
		r.Errorf("%s: %s", what, diff)
	}
}

func (r *run[V]) diff(got map[string]V, want map[string]int) string {
	var wrong []string
	for k, n := range want {
		if v, ok := got[k]; !ok {
			wrong = append(wrong, "lacks "+brief(k))
		} else if !r.same(k, v, n) {
			wrong = append(wrong, "has another value of "+brief(k))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			wrong = append(wrong, "has "+brief(k)+", which should not be there")
		}
	}
	if len(wrong) > 5 {
		wrong = append(wrong[:5], "and more")
	}
	return strings.Join(wrong, "; ")
}

// noSecret reports errors that hold what they must not.
func (r *run[V]) noSecret(err error, more ...string) {
	r.Helper()
	for _, s := range append(more, r.secrets...) {
		if err != nil && s != "" && strings.Contains(err.Error(), s) {
			r.Errorf("an error holds a value or a secret")
		}
	}
}

// wantKind reports an error that is not of the kind wanted.
func (r *run[V]) wantKind(what string, err, kind error) {
	r.Helper()
	if !errors.Is(err, kind) {
		r.Errorf("%s: got error %v; want %v", what, err, kind)
	}
	r.noSecret(err)
}

// poll asks until cond holds or the time is over.
func poll(within time.Duration, cond func() bool) bool {
	end := time.NewTimer(within)
	defer end.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !cond() {
		select {
		case <-again.C:
		case <-end.C:
			return cond()
		}
	}
	return true
}

// in runs f and reports whether it ended in time; if not, f is left behind.
func in(within time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// lacks makes the missing func of a check from a condition and its reason.
func lacks[R any](absent func(r R) bool, reason string) func(r R) string {
	return func(r R) string {
		if absent(r) {
			return reason
		}
		return ""
	}
}

// brief quotes a key, and cuts one that would fill the log.
func brief(key string) string {
	if len(key) > 60 {
		return strconv.Quote(key[:60]) + "..."
	}
	return strconv.Quote(key)
}
