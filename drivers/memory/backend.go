package memory

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Options of a [Backend]. The zero value works.
type Options struct {
	// Heartbeat is how often an idle watch says that it is in sync. A silent backend
	// is noticed after one and a half intervals at the latest. Default 4 s.
	Heartbeat time.Duration

	// History is how many changes are kept for watches to continue from; older ones
	// are compacted away. Default 100,000.
	History int

	// PlainRevisions makes revisions mere numbers, as those of etcd are, so that a
	// history which was wiped and then overtaken can't be told from the new one:
	// a watch from an old revision silently goes on. For tests of what has to cope
	// with that. Default false: each history has a name of its own.
	PlainRevisions bool
}

// Backend is the server: it holds configuration and registrations. Its own
// methods act behind the backs of the clients and work whatever fault is in
// effect. All methods are safe for concurrent use.
type Backend struct {
	heartbeat time.Duration
	requests  atomic.Int64

	mu      sync.Mutex // never held while anything blocks
	wake    chan struct{}
	closed  bool
	faults  faults
	breaks  int // how often all connections broke
	holding *Hold
	holds   []*Hold
	history history
	// entries by service and ID; those of the configuration, by full key, are below
	// the service "", which no instance can have.
	entries map[string]map[string]*entry
}

// entry is one thing stored. It is replaced, never changed, but for its timer.
type entry struct {
	value    []byte        // of a configuration key
	instance core.Instance // of a registration
	owner    string        // of a registration
	bad      error         // why the entry can't be read
	expiry   *time.Timer   // nil: stays
	deadline time.Time     // guarded by Backend.mu
}

// New makes a Backend that is empty and healthy. Close it when it had
// registrations, or their timers stay until they end.
func New(o Options) *Backend {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 4 * time.Second
	}
	if o.History <= 0 {
		o.History = 100_000
	}
	return &Backend{
		heartbeat: o.Heartbeat,
		wake:      make(chan struct{}),
		history:   newHistory(o.History, o.PlainRevisions),
		entries:   map[string]map[string]*entry{},
	}
}

// Requests returns how many requests clients have sent so far: one per call and
// one per watch. Heartbeats are pushed and cost none.
func (b *Backend) Requests() int64 { return b.requests.Load() }

// Close ends everything: watches and calls end with [core.ErrClosed], and the
// timers of registrations stop. A second Close does nothing.
func (b *Backend) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.clear()
	b.notify()
}

// clear forgets every entry. The caller holds b.mu.
func (b *Backend) clear() {
	for _, set := range b.entries {
		for _, e := range set {
			e.stop()
		}
	}
	clear(b.entries)
}

func (e *entry) stop() {
	if e != nil && e.expiry != nil {
		e.expiry.Stop()
	}
}

// notify wakes whoever waits for a change of state. The caller holds b.mu.
func (b *Backend) notify() {
	close(b.wake)
	b.wake = make(chan struct{})
}

// change is what a transaction does to one entry; a nil entry deletes it.
type change struct {
	service, key string
	entry        *entry
}

// commit applies changes as one transaction. Deleting what is not there is no
// change. The caller holds b.mu.
func (b *Backend) commit(changes ...change) {
	changes = slices.DeleteFunc(changes, func(c change) bool {
		return c.entry == nil && b.entries[c.service][c.key] == nil
	})
	if len(changes) == 0 || b.closed {
		return
	}
	for _, c := range changes {
		set := b.entries[c.service]
		if old := set[c.key]; old != c.entry {
			old.stop()
		}
		switch {
		case c.entry == nil:
			delete(set, c.key)
			if len(set) == 0 {
				delete(b.entries, c.service)
			}
		case set == nil:
			b.entries[c.service] = map[string]*entry{c.key: c.entry}
		default:
			set[c.key] = c.entry
		}
	}
	b.history.add(changes)
	b.notify()
}
