package holdfast

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/core"
)

// Endpoints is what is known of the instances of one service: the handle that an
// application finds its peers with. It comes from [Discovery.Endpoints], is safe
// for concurrent use, and lives as long as its Discovery.
//
// Every read is one atomic load from memory, whatever the backend does. What it
// returns is an immutable snapshot.
type Endpoints struct {
	service string
	origin  string
	roster  atomic.Pointer[roster]
	hold    suspects
	turns   rotation
	news    broadcast
	looked  chan struct{} // closed once the cache was looked at
}

func newEndpoints(service, origin string, first *roster) *Endpoints {
	e := &Endpoints{service: service, origin: origin, looked: make(chan struct{})}
	e.turns.scatter()
	first.finish(service)
	e.roster.Store(first)
	return e
}

// Service returns the name of the service.
func (e *Endpoints) Service() string { return e.service }

// Instances returns every known instance, whatever its status, sorted by ID, the
// held ones included. The slice and what it points to are shared by everybody
// and must not be modified. An instance that does not change keeps its pointer.
func (e *Endpoints) Instances() []*core.Instance { return e.roster.Load().all }

// Pick chooses an instance that is up for one request: each in turn. It never
// blocks, takes no lock and allocates nothing, so that it may stand in front of
// every request; ctx is for pickers that read a key or a deadline from it, and
// round robin does not look at it.
//
// The error is [ErrNoInstance], of kind [core.ErrNotFound], when no instance is up.
// Its text names the service, the level and the age of what is known, and it is of
// kind [core.ErrClosed] or [core.ErrInvalid] too when there will never be one.
func (e *Endpoints) Pick(context.Context) (Picked, error) {
	r := e.roster.Load()
	if len(r.up) == 0 {
		return Picked{}, r.none
	}
	return Picked{instance: r.turn(e.turns.next())}, nil
}

// Changes yields the instances as [Endpoints.Instances] returns them: at once
// those known now, which may be none, and then the newest after every change of
// them; what changed while the loop body ran is one change. It ends when ctx
// does or the Discovery is closed, and each range over it starts anew. It needs
// no goroutine: a loop that is left leaves nothing behind.
func (e *Endpoints) Changes(ctx context.Context) iter.Seq[[]*core.Instance] {
	return func(yield func([]*core.Instance) bool) {
		var seen uint64
		for first := true; ctx.Err() == nil; first = false {
			news := e.news.next()
			r := e.roster.Load()
			if first || r.changes != seen {
				seen = r.changes
				if !yield(r.all) {
					return
				}
				continue
			}
			if r.closed {
				return
			}
			select {
			case <-news:
			case <-ctx.Done():
			}
		}
	}
}

// WaitLevel blocks until the level is min or better, and returns nil then. The
// error is context.Cause(ctx) when ctx ends first, and of kind [core.ErrClosed]
// or [core.ErrInvalid] when the level can't get better any more.
func (e *Endpoints) WaitLevel(ctx context.Context, min core.Level) error {
	for {
		news := e.news.next()
		r := e.roster.Load()
		switch {
		case r.level.AtLeast(min):
			return nil
		case r.closed:
			return r.err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cacheLooked returns a channel that is closed once the cache store was looked
// at, whatever was found there.
func (e *Endpoints) cacheLooked() <-chan struct{} { return e.looked }

// part names e in events.
func (e *Endpoints) part() string { return "endpoints " + e.service }

func (e *Endpoints) publish(r *roster) {
	e.roster.Store(r)
	e.news.send()
}
