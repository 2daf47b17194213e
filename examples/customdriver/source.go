package customdriver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Options refine [New]. The zero value works.
type Options struct {
	// Poll is how often a watch looks for new lines. Default 100 ms.
	Poll time.Duration
	// Heartbeat is how often an idle watch says that it is in sync. Default 4 s.
	Heartbeat time.Duration
}

// Source is a [core.ConfigSource] over the keys below a prefix of a journal. It
// holds nothing but its arguments, so it needs no Close and is safe for
// concurrent use.
type Source struct {
	path, prefix string
	opts         Options
}

var (
	_ core.ConfigSource = (*Source)(nil)
	_ core.Comparer     = (*Source)(nil) // an ability that a driver may have
)

// New makes a source. It touches nothing: a journal that is not there is
// [core.ErrUnavailable] to each call until it is.
func New(path, prefix string, opts Options) *Source {
	if opts.Poll <= 0 {
		opts.Poll = 100 * time.Millisecond
	}
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = 4 * time.Second
	}
	return &Source{path: path, prefix: strings.TrimSuffix(prefix, "/") + "/", opts: opts}
}

// Origin implements [core.ConfigSource].
func (s *Source) Origin() string { return "journal " + s.path + " " + s.prefix }

// Load implements [core.ConfigSource]: it plays the whole journal.
func (s *Source) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	t, err := openTail(s.path)
	if err != nil {
		return core.Snapshot[[]byte]{}, s.failure("load", err)
	}
	defer func() { _ = t.file.Close() }()
	set := make(map[string][]byte)
	for {
		if ctx.Err() != nil {
			return core.Snapshot[[]byte]{}, s.ended(ctx, "load")
		}
		tx, ok, err := t.next()
		if err != nil {
			return core.Snapshot[[]byte]{}, s.failure("load", err)
		}
		if !ok {
			return core.Snapshot[[]byte]{Items: set, Revision: t.revision()}, nil
		}
		u := s.update(tx, "")
		for _, key := range u.Delete {
			delete(set, key)
		}
		maps.Copy(set, u.Put)
	}
}

// Watch implements [core.ConfigSource].
func (s *Source) Watch(ctx context.Context, after core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return func(yield func(core.Update[[]byte], error) bool) {
		left := false
		err := s.follow(ctx, after, func(u core.Update[[]byte]) bool {
			left = !yield(u, nil)
			return !left
		})
		if !left {
			yield(core.Update[[]byte]{}, err)
		}
	}
}

// follow hands out what comes after a revision until take wants no more. It runs
// on the goroutine of the loop that ranges over the watch: there is no other one
// to end.
func (s *Source) follow(ctx context.Context, after core.Revision, take func(core.Update[[]byte]) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t, err := openTail(s.path)
	if err != nil {
		return s.failure("watch", err)
	}
	defer func() { _ = t.file.Close() }()
	history, offset, ok := parse(after)
	if !ok || history != t.history || !t.seek(offset) {
		return s.failure("watch", core.ErrRevisionGone)
	}
	tick := time.NewTicker(s.opts.Poll)
	defer tick.Stop()
	for said := time.Now(); ; {
		tx, ok, err := t.next()
		if err != nil {
			return s.failure("watch", err)
		}
		if ok {
			if u := s.update(tx, t.revision()); !u.Heartbeat() {
				if said = time.Now(); !take(u) {
					return nil
				}
			}
			continue
		}
		switch replaced, err := t.replaced(s.path); {
		case err != nil:
			return s.failure("watch", err)
		case replaced:
			return s.failure("watch", errReplaced)
		}
		if time.Since(said) >= s.opts.Heartbeat-s.opts.Poll {
			if said = time.Now(); !take(core.Update[[]byte]{Revision: t.revision()}) {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errReplaced = errors.New("another file took the journal's place")

// update is what a transaction does below the prefix.
func (s *Source) update(tx Transaction, at core.Revision) core.Update[[]byte] {
	u := core.Update[[]byte]{Revision: at}
	for name, value := range tx.Put {
		if key, ok := strings.CutPrefix(name, s.prefix); ok && key != "" {
			if u.Put == nil {
				u.Put = make(map[string][]byte)
			}
			u.Put[key] = value
		}
	}
	for _, name := range tx.Delete {
		if key, ok := strings.CutPrefix(name, s.prefix); ok && key != "" {
			u.Delete = append(u.Delete, key)
		}
	}
	return u
}

// revision is the position behind what was read, in this history.
func (t *tail) revision() core.Revision {
	return core.Revision(t.history + "@" + strconv.FormatInt(t.offset, 10))
}

// Compare implements [core.Comparer]: positions of one history have an order.
func (s *Source) Compare(a, b core.Revision) (n int, ok bool) {
	of, i, okA := parse(a)
	history, j, okB := parse(b)
	if !okA || !okB || of != history {
		return 0, false
	}
	return cmp.Compare(i, j), true
}

func parse(r core.Revision) (history string, offset int64, ok bool) {
	history, position, ok := strings.Cut(string(r), "@")
	offset, err := strconv.ParseInt(position, 10, 64)
	return history, offset, ok && err == nil && offset > 0
}

// failure classifies an error, once and for all: above the driver only
// errors.Is(err, core.ErrX) is asked.
func (s *Source) failure(op string, err error) error {
	e := &core.Error{Driver: "journal", Op: op, Key: s.prefix, Kind: core.ErrUnavailable, Err: err}
	switch {
	case errors.Is(err, core.ErrRevisionGone):
		e.Kind, e.Err = core.ErrRevisionGone, nil
	case errors.Is(err, fs.ErrPermission):
		e.Kind = core.ErrDenied
	case errors.Is(err, errDamaged):
		e.Kind = core.ErrCorrupt
	}
	return e
}

// ended is how a call ends with its ctx: a caller's cancel is passed on as it is,
// and a deadline means that the backend was too slow.
func (s *Source) ended(ctx context.Context, op string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return s.failure(op, fmt.Errorf("not read in time: %w", context.Cause(ctx)))
	}
	return context.Cause(ctx)
}
