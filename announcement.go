package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// AnnounceOptions adjusts an announcement. The zero value is good for most
// services.
type AnnounceOptions struct {
	// TTL is how long peers see an instance whose process died without a word; at
	// least 1 s. A live one refreshes it three times as often. Default 15 s.
	TTL time.Duration
	// RequestTimeout is the deadline of one request. It is never more than half of
	// TTL, so that a request that hangs leaves time for another. Default 2 s.
	RequestTimeout time.Duration
	// RecoverySpread is what the tries of many processes are spread over once a
	// backend returns, and the cap of the wait between two tries (at least 500 ms);
	// both are never more than TTL/3. Negative switches it off. Default: the
	// shorter of TTL/4 and 1.5 s.
	RecoverySpread time.Duration
	// Gate is a health gate, asked before each beat whether the instance wants
	// requests. The worse of its answer and the instance's own Status is announced.
	// It gets RequestTimeout, at most TTL/6, and is never called twice at once. A
	// gate that panics, or has not answered in time, does not vouch for the
	// instance: that counts as StatusDown until it answers again. Default: none.
	Gate func(ctx context.Context) core.Status
	// Logger takes one line per change of state. Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultTTL    = 15 * time.Second
	minTTL        = time.Second
	longestSpread = 1500 * time.Millisecond
)

// Announcement keeps one instance registered with a backend until Close, through
// outages of any length, revoked leases, deleted keys, wiped backends and pauses
// of the process. It never gives up and needs no attention: see [State] for what
// it goes through.
//
// Of two announcements of one ID the one that started later wins; the other one
// is in [StateConflict] and takes over when the ID is free.
//
// All methods are safe for concurrent use.
type Announcement struct {
	reg     core.Registry
	loss    core.LossAwaiter // nil: a loss shows at the next beat
	pace    pace
	gate    gate
	journal *journal
	part    string // of events
	id      string // of the instance, and its key in events

	stop  context.CancelFunc // ends the announcer; a request under way goes on
	abort context.CancelFunc // ends the request under way
	poke  chan struct{}      // the wanted instance changed
	quiet chan struct{}      // closed: no Register is under way, none will be
	ended chan struct{}      // closed: every goroutine of the announcer has ended

	updating sync.Mutex // held while an update's func runs, so that updates follow one another

	closing  chan struct{} // a semaphore: one Close works, others wait
	gone     bool          // deregistered; under closing
	farewell chan error    // of the Deregister under way, nil if none is; under closing

	mu        sync.Mutex
	status    AnnouncementStatus // its Instance is the wanted one, without the gate
	version   uint64             // of the wanted instance
	confirmed core.Instance      // the last one that a backend took, without the gate
	known     uint64             // version of confirmed, 0 if none
	vouched   core.Status        // the gate's last answer
	touched   bool               // a backend may hold a registration of ours
	waiting   []*confirmation
}

// confirmation is what an Update waits for.
type confirmation struct {
	version uint64
	result  chan error // of capacity 1
}

// Announce starts to announce in by reg, and returns at once: nothing was
// written yet, and nothing here fails because a backend is down. An empty ID
// becomes host:port of the main endpoint, which stays the same across restarts.
// The announcement lives until its Close.
//
// Errors, all of kind [core.ErrInvalid], are a programmer's mistake: no registry,
// no service, an endpoint that peers could not reach (no scheme, no host, no
// port, port 0, 0.0.0.0, [::]), options out of bounds.
func Announce(reg core.Registry, in core.Instance, opts AnnounceOptions) (*Announcement, error) {
	return announce(reg, in, opts, newJournal(opts.Logger))
}

// announce is Announce with a journal that others report to as well.
func announce(reg core.Registry, in core.Instance, opts AnnounceOptions, j *journal) (*Announcement, error) {
	if missing(reg) {
		return nil, fmt.Errorf("announcement: %w: the registry is nil; give one, such as that of a driver or of package memory", core.ErrInvalid)
	}
	if err := opts.normalize(); err != nil {
		return nil, err
	}
	in = in.Clone()
	if in.ID == "" && len(in.Endpoints) > 0 {
		in.ID = defaultID(in.Endpoints[0])
	}
	if err := checkInstance(in); err != nil {
		return nil, err
	}
	now := time.Now()
	a := &Announcement{
		reg:     reg,
		pace:    pace{timeout: min(opts.RequestTimeout, opts.TTL/2), spread: min(opts.RecoverySpread, opts.TTL/3)},
		journal: j,
		part:    "announcement " + in.Service,
		id:      in.ID,
		poke:    make(chan struct{}, 1),
		quiet:   make(chan struct{}),
		ended:   make(chan struct{}),
		closing: make(chan struct{}, 1),
		version: 1,
		status: AnnouncementStatus{
			Instance: in, State: StatePending, Since: now, Owner: newOwner(now), TTL: opts.TTL, Origin: origin(reg),
		},
	}
	a.loss, _ = core.As[core.LossAwaiter](reg)
	a.gate = gate{ask: opts.Gate, timeout: min(a.pace.timeout, opts.TTL/6), panicked: a.gatePanicked}
	life, stop := context.WithCancel(context.Background())
	requests, abort := context.WithCancel(context.Background())
	a.stop, a.abort = stop, abort
	go (&announcer{Announcement: a}).run(life, requests)
	return a, nil
}

// normalize puts defaults where nothing was given.
func (o *AnnounceOptions) normalize() error {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.TTL < minTTL {
		return fmt.Errorf("announcement: %w: TTL is %v; give at least %v, or 0 for the default", core.ErrInvalid, o.TTL, minTTL)
	}
	if o.RequestTimeout < 0 {
		return fmt.Errorf("announcement: %w: RequestTimeout is %v; give a positive one, or 0 for the default", core.ErrInvalid, o.RequestTimeout)
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	switch {
	case o.RecoverySpread < 0:
		o.RecoverySpread = 0
	case o.RecoverySpread == 0:
		o.RecoverySpread = min(o.TTL/4, longestSpread)
	}
	return nil
}

// missing reports whether v is nil, or holds a nil that would panic when used.
func missing(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return r.IsNil()
	}
	return false
}

// origin is reg's, or "" if it panics.
func origin(reg core.Registry) (name string) {
	defer func() { _ = recover() }()
	return reg.Origin()
}

// Status returns how the announcement stands now. It never blocks.
func (a *Announcement) Status() AnnouncementStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.status
	s.Instance = s.Instance.Clone()
	s.Instance.Status = max(s.Instance.Status, a.vouched)
	return s
}

// WaitState blocks until the announcement is in the given state. It returns
// context.Cause(ctx) if ctx ends first, and [core.ErrClosed] if the announcement
// is closed and another state was asked for.
func (a *Announcement) WaitState(ctx context.Context, want State) error {
	var is State
	err := a.journal.await(ctx, func() bool {
		is = a.Status().State
		return is == want || is == StateClosed
	})
	if err == nil && is != want {
		return fmt.Errorf("announcement: %w: it will never be %v", core.ErrClosed, want)
	}
	return err
}

// Update changes what is announced and waits until a backend confirmed it. The
// func gets a copy that it may keep; it may change anything but ID and Service,
// and must not call Update. Updates follow one another; those that come while a
// request is under way are written together.
//
// When ctx ends first, the error wraps context.Cause(ctx) and why the last
// request failed; the change stays, and is written as soon as a backend takes
// it.
//
// Other errors: [core.ErrInvalid] if the change breaks a rule of [Announce], or
// if the backend can never take it (too large, say): then what was announced
// before stays. [core.ErrClosed] after Close.
func (a *Announcement) Update(ctx context.Context, change func(in *core.Instance)) error {
	c, err := a.change(change)
	if err != nil {
		return err
	}
	select {
	case err := <-c.result:
		return err
	case <-ctx.Done():
	}
	a.mu.Lock()
	last := a.status.Err
	a.mu.Unlock()
	if last == nil {
		return fmt.Errorf("announcement: the change is not confirmed yet: %w", context.Cause(ctx))
	}
	return fmt.Errorf("announcement: the change is not confirmed yet: %w: %w", context.Cause(ctx), last)
}

// change applies a change to the wanted instance and tells the announcer.
func (a *Announcement) change(change func(in *core.Instance)) (*confirmation, error) {
	a.updating.Lock()
	defer a.updating.Unlock()
	a.mu.Lock()
	in, version := a.status.Instance, a.version
	a.mu.Unlock()

	changed := in.Clone()
	change(&changed)
	changed = changed.Clone()
	if changed.ID != in.ID || changed.Service != in.Service {
		return nil, fmt.Errorf("announcement: %w: an update can't change ID or Service; close this announcement and announce another", core.ErrInvalid)
	}
	if err := checkInstance(changed); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status.State == StateClosed {
		return nil, errAnnouncementClosed
	}
	c := &confirmation{result: make(chan error, 1)}
	if a.version == version && changed.Equal(in) {
		a.status.Instance = changed // a Weight of 0 became 1: nothing to write, but what the next change builds on
		if a.known == version {
			c.result <- nil
			return c, nil
		}
	} else {
		// A change that the backend refused meanwhile is undone by this one's
		// base too: the caller saw it when it decided.
		a.version++
		a.status.Instance = changed
	}
	c.version = a.version
	a.waiting = append(a.waiting, c)
	select {
	case a.poke <- struct{}{}:
	default:
	}
	return c, nil
}

var errAnnouncementClosed = fmt.Errorf("announcement: %w", core.ErrClosed)

// resolve tells the updates up to a version how they went. a.mu is held.
func (a *Announcement) resolve(version uint64, err error) {
	rest := a.waiting[:0]
	for _, c := range a.waiting {
		if c.version > version {
			rest = append(rest, c)
			continue
		}
		c.result <- err
	}
	clear(a.waiting[len(rest):])
	a.waiting = rest
}

// gatePanicked reports a panic of the user's gate, once per run of them.
func (a *Announcement) gatePanicked(v any) {
	p := newPanicked("the health gate", v)
	a.journal.record(Event{Kind: EventPanic, Part: a.part, Key: a.id, Err: p, Detail: "that counts as down\n" + p.stack})
}
