package holdfast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// follower keeps a sink in step with a set of a backend, for ever: list, watch
// from the list's revision, and after any end of the watch list again. Listing
// again is the only proof of history that holds (etcd #14303: a rebuilt cluster
// goes on under the same name).
type follower[V any] struct {
	list   func(context.Context) (core.Snapshot[V], error)
	watch  func(context.Context, core.Revision) iter.Seq2[core.Update[V], error]
	sink   sink[V]
	pace   pace
	resync time.Duration // a full list this often, +-20 %; 0 or less is never
}

// sink takes what a follower finds. Its methods are called one after another by
// one goroutine, and return in well under a millisecond for a small change.
type sink[V any] interface {
	// listed takes a whole set. again is false only for the first list of the
	// engine's life when nothing failed before it: any other list came after
	// trouble, or checks what a watch should have told.
	listed(s core.Snapshot[V], again bool)
	// updated takes one step of a watch in sync; heartbeats too.
	updated(u core.Update[V])
	// failed says that a list failed or a watch ended: the set is not in sync.
	failed(err error)
}

// errResync ends a watch on purpose, for a full list.
var errResync = errors.New("time for a full list")

// errNoReason stands for the error that a watch owes.
var errNoReason = fmt.Errorf("%w: the driver's watch ended without an error, which breaks rule 3 of package core", core.ErrUnavailable)

// slowListEvery lets one of so many lists that fail by their deadline have more
// time, so that a set too large for one deadline on a slow line loads at all.
const (
	slowListEvery  = 3
	slowListFactor = 3
)

// run follows until ctx ends.
func (f *follower[V]) run(ctx context.Context) {
	var tries, expired int
	again, gone := false, false
	for ctx.Err() == nil {
		timeout := f.pace.timeout
		if expired%slowListEvery == slowListEvery-1 {
			timeout *= slowListFactor
		}
		s, err := f.listOnce(ctx, timeout)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				expired++
			}
			f.sink.failed(err)
		} else {
			expired = 0
			f.sink.listed(s, again)
		}
		again = true
		if err != nil || s.Replica {
			if !pause(ctx, f.pace.retry(tries, err)) {
				return
			}
			tries++
			continue
		}

		began := time.Now()
		inSync, end := f.watchOnce(ctx, s.Revision)
		if ctx.Err() != nil {
			return
		}
		// A watch that ends as soon as it told something is no recovery: without a
		// growing pause that would be a storm of lists.
		lasted := inSync && time.Since(began) >= retryCap
		if lasted {
			tries, gone = 0, false
		}
		if errors.Is(end, errResync) {
			continue
		}
		f.sink.failed(end)
		switch {
		case errors.Is(end, core.ErrRevisionGone) && !gone:
			// Compacted: the backend is there, and only a list helps. Twice in a
			// row without a step in between is no longer that.
			gone = true
		case lasted && errors.Is(end, core.ErrUnavailable):
			pause(ctx, f.pace.afterLoss())
		default:
			d := f.pace.retry(tries, end)
			if inSync && errors.Is(end, core.ErrUnavailable) {
				d = max(d, f.pace.afterLoss())
			}
			pause(ctx, d)
			tries++
		}
	}
}

// listOnce asks for the whole set, once, by a deadline.
func (f *follower[V]) listOnce(ctx context.Context, timeout time.Duration) (s core.Snapshot[V], err error) {
	defer recoverDriver(&err)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f.list(ctx)
}

// watchOnce hands every step to the sink until the watch ends, and reports
// whether there was one, and why it ended.
func (f *follower[V]) watchOnce(ctx context.Context, after core.Revision) (inSync bool, err error) {
	defer recoverDriver(&err)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if f.resync > 0 {
		t := time.AfterFunc(f.resync*4/5+jitter(f.resync*2/5), func() { cancel(errResync) })
		defer t.Stop()
	}
	for u, err := range f.watch(ctx, after) {
		if err != nil {
			if errors.Is(context.Cause(ctx), errResync) {
				err = errResync // also from a driver that returned ctx.Err()
			}
			return inSync, err
		}
		inSync = true
		f.sink.updated(u)
	}
	return inSync, errNoReason
}
