package etcd

import (
	"context"
	"errors"
	"iter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// mostMembers is how many members of a cluster one watch may try to begin on.
	mostMembers = 3
	// soon is when a healthy member has confirmed a watch.
	soon = time.Second
)

var (
	errUnknownRevision = errors.New("no revision of etcd; list first")
	errFuture          = errors.New("the cluster has not reached this revision: it was wiped or restored")
	errNotCreated      = errors.New("the server did not confirm the watch")
	errEnded           = errors.New("the watch stream ended")
)

// watchRange yields what happens to the entries of a set after a revision, under
// the rules of a watch.
func watchRange[V any](ctx context.Context, c *Client, set set[V], after core.Revision) iter.Seq2[core.Update[V], error] {
	return func(yield func(core.Update[V], error) bool) {
		err := follow(ctx, c, set, after, func(u core.Update[V]) bool { return yield(u, nil) })
		if err != nil {
			yield(core.Update[V]{}, c.watchError(ctx, "watch", set.name, err))
		}
	}
}

// watchError is fail for a watch, which has no deadline of its own.
func (c *Client) watchError(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.fail(ctx, op, key, err)
}

// follow runs one watch; nil means that yield returned false.
func follow[V any](ctx context.Context, c *Client, set set[V], after core.Revision, yield func(core.Update[V]) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	revision, ok := parseRevision(after)
	if !ok {
		return &core.Error{Driver: driver, Op: "watch", Key: set.name, Kind: core.ErrRevisionGone, Err: errUnknownRevision}
	}
	w, err := c.openWatch(ctx, set.prefix, set.end, revision)
	if err != nil {
		return err
	}
	defer func() { w.close() }()
	if !c.history.proves(set.prefix, revision) {
		// The number may be of another history. One list is always right, and the
		// watch begins again where it ends.
		w.close()
		s, err := c.load(ctx, set.prefix, set.end, false)
		if err != nil {
			return err
		}
		again, err := c.openWatch(ctx, set.prefix, set.end, s.revision)
		if err != nil {
			return err
		}
		w, revision = again, s.revision
		if !yield(set.reset(s)) {
			return nil
		}
	}
	defer func() { c.history.note(w.epoch, set.prefix, revision) }()
	for {
		response, err := w.next(ctx)
		if err != nil {
			return err
		}
		if response.IsProgressNotify() {
			if at := response.Header.GetRevision(); at >= revision {
				revision = at
				if !yield(core.Update[V]{Revision: formatRevision(at)}) {
					return nil
				}
			}
			continue
		}
		for at, events := range steps(response.Events) {
			if at <= revision {
				continue
			}
			revision = at
			if u := set.update(at, events); !u.Heartbeat() && !yield(u) {
				return nil
			}
		}
	}
}

// watch is one watch that the server has confirmed.
type watch struct {
	member    *membership
	epoch     uint64
	cancel    context.CancelFunc
	done      <-chan struct{} // of its ctx, which ends with the stream as well
	ended     func() error    // why its ctx ended, nil if it has not
	responses clientv3.WatchChan
}

// openWatch begins a watch of [key, end) at the given revision itself, not at the
// one after it: a watch that waits for a revision yet to come makes the server
// ignore every request for progress on the stream. The caller drops what is at or
// below the revision. Revision 0 is now.
//
// With several endpoints a watch that is not confirmed soon begins again at once:
// the balancer, which goes round, then takes another member. Left to the next list
// it may take the same one every time, because what is asked in between takes its
// turns too.
func (c *Client) openWatch(ctx context.Context, key, end string, revision int64) (*watch, error) {
	for left := min(len(c.etcd.Endpoints()), mostMembers); ; left-- {
		confirm := c.confirmTimeout()
		if left > 1 {
			confirm = min(confirm, soon)
		}
		w, err := c.openWatchOnce(ctx, key, end, revision, confirm)
		if err != nil && c.auth.forget(err) && ctx.Err() == nil {
			// A stream keeps the token that it was opened with; that one has expired.
			w, err = c.openWatchOnce(ctx, key, end, revision, confirm)
		}
		if left <= 1 || !errors.Is(err, errNotCreated) || ctx.Err() != nil {
			return w, err
		}
	}
}

func (c *Client) openWatchOnce(ctx context.Context, key, end string, revision int64, confirm time.Duration) (_ *watch, err error) { //nolint:contextcheck // a watch lives on its stream's ctx and ends with either
	epoch := c.history.now()
	member, err := c.join(key)
	if err != nil {
		return nil, err
	}
	wctx, cancel := member.own, member.quit
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	w := &watch{
		member: member,
		epoch:  epoch,
		cancel: func() { stop(); cancel(nil) },
		done:   wctx.Done(),
		ended:  func() error { return context.Cause(wctx) },
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	late := time.AfterFunc(confirm, func() { cancel(errNotCreated) })
	defer late.Stop()
	options := []clientv3.OpOption{clientv3.WithRev(revision), clientv3.WithCreatedNotify()}
	if end != "" {
		options = append(options, clientv3.WithRange(end))
	}
	w.responses = member.watcher.Watch(wctx, key, options...) //nolint:contextcheck // see above
	created, err := w.next(ctx)
	if err != nil {
		switch {
		case c.auth.expired(err):
			member.retire()
		case errors.Is(err, errNotCreated):
			member.doubt()
		}
		return nil, err
	}
	if created.Header.GetRevision() >= revision {
		return w, nil
	}
	// This member has not got there yet; or nobody has, and it is another history.
	fresh, err := c.fresh(wctx, key) //nolint:contextcheck // see above
	if err != nil {
		return nil, err
	}
	if fresh < revision {
		return nil, &core.Error{Driver: driver, Op: "watch", Key: key, Kind: core.ErrRevisionGone, Err: errFuture}
	}
	return w, nil
}

// confirmTimeout is how long a server may take to confirm a watch: as long as an
// answer to a heartbeat. A stopped member of several stays in the balancer until
// its connection is given up after keepaliveTime + keepaliveTimeout, and a new
// watch may meet it again; a wait of a whole interval would be lost each time.
func (c *Client) confirmTimeout() time.Duration {
	return min(c.heartbeatInterval+c.heartbeatTimeout, max(c.heartbeatTimeout, defaultHeartbeatTimeout))
}

// next waits for the server's next message about this watch.
func (w *watch) next(ctx context.Context) (clientv3.WatchResponse, error) {
	var response clientv3.WatchResponse
	var ok bool
	select {
	case response, ok = <-w.responses:
	case <-w.done: // clientv3 may be stuck in sending
	}
	err := response.Err()
	if ok && err == nil {
		return response, nil
	}
	switch {
	case ctx.Err() != nil:
		return response, context.Cause(ctx)
	case w.ended() != nil: // that the generation ended included
		return response, w.ended()
	case err != nil:
		return response, err
	}
	return response, errEnded
}

// close releases the watch, and waits for the stream if it was the last.
func (w *watch) close() {
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
		w.member.leave()
	}
}
