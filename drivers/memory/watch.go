package memory

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// follow hands to each what every transaction after a revision changed among the
// things that match, with the revision after it, and no changes at all each
// heartbeat interval. It returns nil when each returned false, and otherwise why it
// could not go on.
func (b *Backend) follow(ctx context.Context, key string, after core.Revision,
	match func(change) bool, each func(at core.Revision, changes []change) bool,
) error {
	const op = "watch"
	var position int64
	var breaks int
	start, cancel := b.bounded(ctx)
	defer cancel()
	err := b.call(start, op, key, writing, func() error {
		breaks = b.breaks
		n, ok := b.history.number(after)
		if ok {
			_, ok = b.history.since(n)
		}
		if !ok {
			return failure(op, key, core.ErrRevisionGone, errGone)
		}
		position = n
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}

	beat := time.NewTimer(b.heartbeat)
	defer beat.Stop()
	due, missed := false, false
	for {
		v, err := b.view(key, breaks, position)
		if err != nil {
			return err
		}
		if !v.silent {
			missed = false
			for _, t := range v.transactions {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				changes := matching(t.changes, match)
				if len(changes) > 0 && !each(v.history.revision(t.revision), changes) {
					return nil
				}
			}
			position = v.history.newest
			if due && !each(v.history.revision(position), nil) {
				return nil
			}
		}
		switch {
		case due && v.silent && missed:
			return failure(op, key, core.ErrUnavailable, errSilent)
		case due && v.silent:
			missed = true
			beat.Reset(b.heartbeat / 2)
		case due:
			beat.Reset(b.heartbeat)
		}
		due = false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.wake:
		case <-beat.C:
			due = true
		}
	}
}

// bounded ends with errSilent when a backend that has not answered the start of a
// watch yet has been silent for too long.
func (b *Backend) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, b.heartbeat*3/2, errSilent)
}

// view is what a running watch sees of the backend at one moment.
type view struct {
	silent       bool
	transactions []transaction
	history      history // its newest and its name
	wake         <-chan struct{}
}

func (b *Backend) view(key string, breaks int, position int64) (view, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return view{}, failure("watch", key, core.ErrClosed, nil)
	case b.faults.reach == withoutQuorum:
		return view{}, failure("watch", key, core.ErrUnavailable, errNoQuorum)
	case b.breaks != breaks:
		return view{}, failure("watch", key, core.ErrUnavailable, errCut)
	}
	transactions, ok := b.history.since(position)
	if !ok {
		return view{}, failure("watch", key, core.ErrRevisionGone, errGone)
	}
	return view{
		silent:       b.faults.reach == silent,
		transactions: transactions,
		history:      b.history,
		wake:         b.wake,
	}, nil
}

func matching(changes []change, match func(change) bool) []change {
	if len(changes) == 1 { // as nearly always
		if match(changes[0]) {
			return changes
		}
		return nil
	}
	var found []change
	for _, c := range changes {
		if match(c) {
			found = append(found, c)
		}
	}
	return found
}
