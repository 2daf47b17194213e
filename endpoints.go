package holdfast

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

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
	epoch   time.Time // what clock counts from
	roster  atomic.Pointer[roster]
	turns   rotation
	hold    suspects
	news    broadcast
	looked  chan struct{} // closed once the cache was looked at
	engine  *membership   // nil for a handle that never knows anything

	outliers outliers
}

func newEndpoints(service, origin string, first *roster) *Endpoints {
	e := &Endpoints{service: service, origin: origin, epoch: time.Now(), looked: make(chan struct{})}
	e.outliers.poke = make(chan struct{}, 1)
	e.turns.scatter()
	for _, m := range first.whole.members {
		m.from = e
	}
	first.from = e
	e.store(*first)
	return e
}

// clock returns nanoseconds since before e was made, never 0. It is the half of
// time.Now that is monotonic, and takes half the time.
func (e *Endpoints) clock() int64 { return int64(time.Since(e.epoch)) + 1 }

// Service returns the name of the service.
func (e *Endpoints) Service() string { return e.service }

// Instances returns every known instance, whatever its status, sorted by ID, the
// held ones included. The slice and what it points to are shared by everybody
// and must not be modified. An instance that does not change keeps its pointer.
func (e *Endpoints) Instances() []*core.Instance { return e.roster.Load().instances() }

// Pick chooses an instance that is up and not ejected for one request: each in
// turn. It never blocks, takes no lock and allocates nothing, so that it may stand in
// front of every request. [Endpoints.Picker] makes pickers that choose in other ways;
// ctx is for those that read a key from it, and round robin does not look at it.
//
// The error is [ErrNoInstance], which is a [core.ErrNotFound], when no instance is
// up. Its text names the service, the level and the age of what is known, and it is
// of kind [core.ErrClosed] or [core.ErrInvalid] too when there will never be one.
func (e *Endpoints) Pick(context.Context) (Picked, error) {
	r := e.roster.Load()
	if len(r.pick.members) == 0 {
		return Picked{}, r.none
	}
	return Picked{member: r.pick.members[r.pick.turn(e.turns.next())]}, nil
}

// allTried is why there is nobody to send a request to again.
func (e *Endpoints) allTried(tried int) error {
	r := e.roster.Load()
	if r.none != nil {
		return r.none
	}
	return &noInstance{service: e.service, level: r.level, asOf: r.asOf, known: r.whole.len(), tried: tried}
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
				if !yield(r.instances()) {
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

// publish makes a roster visible, but for its pick, which it makes itself.
func (e *Endpoints) publish(r roster) {
	e.outliers.mu.Lock()
	e.store(r)
	e.outliers.mu.Unlock()
	e.news.send()
}

// store is publish for who holds outliers.mu, and wakes nobody.
func (e *Endpoints) store(r roster) {
	before := e.roster.Load()
	pick := e.outliers.pickable(before, &r.up)
	if before != nil {
		r.picks = before.picks
		if !pick.same(&before.pick) {
			r.picks++
		}
	}
	r.finish(e.service, pick)
	e.roster.Store(&r)
}
