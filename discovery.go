package holdfast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// DiscoveryOptions configures [OpenDiscovery]. The zero value works.
type DiscoveryOptions struct {
	// Cache keeps the last good instances where they outlive the process. The store
	// stays the caller's: close it after the Discovery. Default: none.
	Cache core.CacheStore
	// CacheScope keeps programs apart that read the same origin and share a store
	// but must not share what is remembered. Default: "".
	CacheScope string
	// RequestTimeout bounds one list of one service. Never negative. Default: 2 s.
	RequestTimeout time.Duration
	// RecoverySpread is what the first lists of many processes are spread over when
	// a backend comes back. Negative turns it off. Default: 1.5 s.
	RecoverySpread time.Duration
	// Resync is how often a full list is made although the watch is in sync, +-20 %;
	// some servers lose events. Negative turns it off. Default: 5 min.
	Resync time.Duration
	// SuspectFor is how long an instance is kept at most that went as if by trouble: a
	// list after trouble lacks it, or it went with more than half of its peers within
	// 10 s. Meanwhile Probe asks it: it goes when two probes in a row fail. Time in
	// which the backend can't be asked does not count. Negative believes whatever the
	// backend says at once. Default: 10 min.
	SuspectFor time.Duration
	// Ejection says when an instance gets no requests for a while. Default: after 5
	// failures in a row.
	Ejection EjectionOptions
	// Probe asks a suspect or ejected instance directly whether it lives. Default:
	// [Connect].
	Probe Probe
	// Logger is told of every change of state. Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns o with every zero replaced.
func (o DiscoveryOptions) withDefaults() DiscoveryOptions {
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	o.RecoverySpread = orDefault(o.RecoverySpread, longestSpread)
	o.Resync = orDefault(o.Resync, defaultResync)
	o.SuspectFor = orDefault(o.SuspectFor, defaultSuspectFor)
	o.Ejection = o.Ejection.withDefaults()
	if o.Probe == nil {
		o.Probe = Connect
	}
	return o
}

// Discovery finds the instances of services in one registry. Each service asked
// for has an engine that lists and watches it for ever in the background: what
// is known stays known while the backend is away, and comes from the cache store
// when the process starts meanwhile. It is safe for concurrent use.
type Discovery struct {
	reg    core.Registry
	origin string
	opts   DiscoveryOptions
	jrnl   *journal
	keeper *keeper
	owned  bool // keeper is closed with the Discovery

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	services sync.Map                     // service name -> *Endpoints
	sorted   atomic.Pointer[[]*Endpoints] // the same by name; replaced, never changed, for the sake of Status
	mu       sync.Mutex
	engines  []*membership
	closed   bool
}

// Why a handle finds nothing, ever.
var (
	errNoRegistry      = fmt.Errorf("%w: no registry was given", core.ErrInvalid)
	errNoServiceName   = fmt.Errorf("%w: the name of the service is empty", core.ErrInvalid)
	errDiscoveryClosed = fmt.Errorf("%w: the discovery was closed", core.ErrClosed)
)

// OpenDiscovery makes a Discovery that stands alone; [Start] makes one for a
// whole service. It asks nothing of reg: goroutines start with the first call of
// Endpoints, and end with Close. It fails, with [core.ErrInvalid], only when reg
// is nil or RequestTimeout negative.
func OpenDiscovery(reg core.Registry, opts DiscoveryOptions) (*Discovery, error) {
	if missing(reg) {
		return nil, fmt.Errorf("holdfast: discovery: %w: give OpenDiscovery one, such as client.Registry of drivers/etcd", errNoRegistry)
	}
	if opts.RequestTimeout < 0 {
		return nil, fmt.Errorf("holdfast: discovery: %w: RequestTimeout is %v; give a positive one, or 0 for the default", core.ErrInvalid, opts.RequestTimeout)
	}
	j := newJournal(opts.Logger)
	var k *keeper
	if !missing(opts.Cache) {
		k = newKeeper(opts.Cache, j)
	}
	d := openDiscovery(reg, opts, j, k)
	d.owned = true
	return d, nil
}

// openDiscovery makes a Discovery that reports to j and keeps with k; both stay
// the caller's.
func openDiscovery(reg core.Registry, opts DiscoveryOptions, j *journal, k *keeper) *Discovery {
	d := &Discovery{reg: reg, origin: origin(reg), opts: opts.withDefaults(), jrnl: j, keeper: k}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// Endpoints returns the handle of a service, the same one for each call with the
// same name. The first call starts the engine of that service, which runs until
// Close; so name services in code, not from requests. It never blocks and never
// returns nil: a handle that can't work (empty name, closed Discovery) says so
// in its Status and with each Pick. A nil Discovery has no registry and returns
// such handles only.
func (d *Discovery) Endpoints(service string) *Endpoints {
	if d == nil {
		return idleEndpoints(service, "", errNoRegistry)
	}
	if e, ok := d.services.Load(service); ok {
		return e.(*Endpoints)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.services.Load(service); ok {
		return e.(*Endpoints)
	}
	switch {
	case d.closed:
		return idleEndpoints(service, d.origin, errDiscoveryClosed)
	case service == "":
		return idleEndpoints(service, d.origin, errNoServiceName)
	}
	m := d.start(service)
	d.engines = append(d.engines, m)
	d.services.Store(service, m.endpoints)
	all := slices.Clone(d.all())
	i, _ := slices.BinarySearchFunc(all, service, func(e *Endpoints, name string) int { return strings.Compare(e.service, name) })
	all = slices.Insert(all, i, m.endpoints)
	d.sorted.Store(&all)
	return m.endpoints
}

// idleEndpoints returns a handle that never knows anything, because of err.
func idleEndpoints(service, origin string, err error) *Endpoints {
	err = fmt.Errorf("endpoints %q: %w", service, err)
	e := newEndpoints(service, origin, &roster{level: core.Empty, since: time.Now(), err: err, closed: true})
	close(e.looked)
	return e
}

// start makes the engine of a service and its goroutines.
func (d *Discovery) start(service string) *membership {
	first := roster{level: core.Empty, since: time.Now()}
	e := newEndpoints(service, d.origin, new(first))
	e.outliers.opts, e.outliers.probe = d.opts.Ejection, d.opts.Probe
	e.outliers.spawn, e.outliers.ctx, e.outliers.tell = d.wg.Go, d.ctx, d.jrnl.record
	m := &membership{
		endpoints: e,
		hold:      &e.hold,
		opts:      d.opts,
		compare:   func(core.Revision, core.Revision) (int, bool) { return 0, false },
		jrnl:      d.jrnl,
		cache:     instanceCache{keeper: d.keeper, bucket: bucketName("instances/"+service, d.origin, d.opts.CacheScope)},
		spawn:     d.wg.Go,
		ctx:       d.ctx,
		now:       first,
		poke:      make(chan struct{}, 1),
	}
	e.engine = m
	if c, ok := core.As[core.Comparer](d.reg); ok {
		m.compare = c.Compare
	}
	f := &follower[core.Instance]{
		list: cacheFirst(d.ctx, e.looked, withoutQuorum, func(ctx context.Context) (core.Snapshot[core.Instance], error) {
			return d.reg.Discover(ctx, service)
		}),
		watch: func(ctx context.Context, after core.Revision) iter.Seq2[core.Update[core.Instance], error] {
			return d.reg.Watch(ctx, service, after)
		},
		sink:   m,
		pace:   pace{timeout: d.opts.RequestTimeout, spread: d.opts.RecoverySpread},
		resync: d.opts.Resync,
	}
	d.wg.Go(func() { f.run(d.ctx) })
	d.wg.Go(func() { m.loadCache(d.ctx) })
	return m
}

// withoutQuorum: the answer may lag behind what an earlier run knew.
func withoutQuorum(s core.Snapshot[core.Instance]) bool { return s.Replica }

// Status returns the status of every service asked for, sorted by name.
func (d *Discovery) Status() []EndpointsStatus {
	if d == nil {
		return nil
	}
	handles := d.all()
	all := slices.Grow([]EndpointsStatus(nil), len(handles))
	for _, e := range handles {
		all = append(all, e.Status())
	}
	return all
}

// all are the handles of every service asked for, sorted by name.
func (d *Discovery) all() []*Endpoints {
	if p := d.sorted.Load(); p != nil {
		return *p
	}
	return nil
}

// level is the worst of the services asked for; live if none was.
func (d *Discovery) level() core.Level {
	level := core.Live
	if d == nil {
		return level
	}
	for _, e := range d.all() {
		level = level.Worse(e.roster.Load().level)
	}
	return level
}

// Close ends every engine and awaits its goroutines, but no longer than ctx; the
// error is context.Cause(ctx) then, and otherwise that of writing to the cache
// store what was pending. The handles go on to return what was last known. A
// second Close awaits the same end and returns nil.
func (d *Discovery) Close(ctx context.Context) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	again := d.closed
	d.closed = true
	engines := d.engines
	d.mu.Unlock()

	for _, e := range d.all() {
		e.outliers.end()
	}
	d.stop()
	ended := make(chan struct{})
	go func() {
		d.wg.Wait()
		close(ended)
	}()
	var errs []error
	select {
	case <-ended:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("holdfast: discovery: the registry holds up its engines: %w", context.Cause(ctx)))
	}
	if again {
		return errors.Join(errs...)
	}
	for _, m := range engines {
		m.close()
	}
	if d.owned {
		errs = append(errs, d.keeper.close(ctx))
	}
	return errors.Join(errs...)
}
