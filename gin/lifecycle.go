package holdfastgin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// LifecycleOptions are the time that each phase of the end may take, and who is
// told. The zero value is good for a pod that gets 30 s to end. A budget that is
// not positive reads as its default, LameDuck excepted.
type LifecycleOptions struct {
	// DrainTimeout is for telling the registry that the instance is draining.
	// Default 2 s.
	DrainTimeout time.Duration
	// LameDuck is how long requests are served as before once peers were told:
	// longer than they need to take it in. Default 5 s; negative is no time at all,
	// for tests.
	LameDuck time.Duration
	// DeregisterTimeout is for removing the instance from the registry. Default
	// 2 s, and never more, because [holdfast.Announcement.Close] takes no longer.
	DeregisterTimeout time.Duration
	// ShutdownTimeout is for requests under way. When two thirds of it have passed
	// their contexts are cancelled, so that those who heed them can still answer;
	// at its end their connections are closed. Default 15 s.
	ShutdownTimeout time.Duration
	// HookTimeout is for each hook that was added without a time of its own.
	// Default 5 s.
	HookTimeout time.Duration
	// FlushTimeout is for writing to the cache store what is pending. Default 2 s.
	FlushTimeout time.Duration
	// CloseTimeout is for ending the engines of the service. Default 2 s.
	CloseTimeout time.Duration
	// Logger gets one line per phase. Default slog.Default().
	Logger *slog.Logger
}

func (o LifecycleOptions) withDefaults() LifecycleOptions {
	for _, d := range []struct {
		option *time.Duration
		value  time.Duration
	}{
		{&o.DrainTimeout, 2 * time.Second},
		{&o.DeregisterTimeout, 2 * time.Second},
		{&o.ShutdownTimeout, 15 * time.Second},
		{&o.HookTimeout, 5 * time.Second},
		{&o.FlushTimeout, 2 * time.Second},
		{&o.CloseTimeout, 2 * time.Second},
	} {
		if *d.option <= 0 {
			*d.option = d.value
		}
	}
	if o.LameDuck == 0 {
		o.LameDuck = 5 * time.Second
	}
	o.LameDuck = max(o.LameDuck, 0)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Lifecycle is the life of one process that serves HTTP: where it is, what
// readiness says, and how it ends. [Run] makes one by itself; a program with a
// main of its own makes one and calls, in this order, Attach for each
// http.Server, Ready when it serves, and Stop when it should end:
//
//	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{})
//	server := &http.Server{Handler: engine, ReadHeaderTimeout: 10 * time.Second}
//	life.Attach(server)
//	go server.Serve(listener)
//	life.Ready()
//	<-ctx.Done()
//	err := life.Stop(context.WithoutCancel(ctx), server)
//
// All methods are safe for concurrent use.
type Lifecycle struct {
	svc  *holdfast.Service
	opts LifecycleOptions

	requests, streams, hurry signal
	leaving                  atomic.Bool // the phase is later than ready; asked for each request

	changing sync.Mutex // held while registry and phase are changed together, by Drain and Resume

	mu         sync.Mutex
	phase      Phase
	since      time.Time
	advertised Advertised
	drained    map[*holdfast.Announcement]struct{} // that Drain found up
	hooks      []hook
	served     *http.Server  // by Run; every Stop ends it
	stopping   chan struct{} // nil before the first Stop; closed when that returns
	stopErr    error
}

// signal is a context that ends once, by its cancel.
type signal struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newSignal() signal {
	ctx, cancel := context.WithCancelCause(context.Background())
	return signal{ctx, cancel}
}

// NewLifecycle makes the life of a process around svc, which Stop closes. It
// starts no goroutine and catches no signal.
func NewLifecycle(svc *holdfast.Service, opts LifecycleOptions) *Lifecycle {
	return &Lifecycle{
		svc: svc, opts: opts.withDefaults(),
		requests: newSignal(), streams: newSignal(), hurry: newSignal(),
		since: time.Now(), drained: make(map[*holdfast.Announcement]struct{}),
	}
}

// LifecycleStatus is a picture of a [Lifecycle] at one moment.
type LifecycleStatus struct {
	// Phase is where it is, and Since the moment it began.
	Phase Phase
	Since time.Time
	// Advertised is the address that [Run] announced; zero without one.
	Advertised Advertised
}

// Status returns where the life is. It never blocks.
func (l *Lifecycle) Status() LifecycleStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LifecycleStatus{Phase: l.phase, Since: l.since, Advertised: l.advertised}
}

// Phase returns the phase of Status.
func (l *Lifecycle) Phase() Phase { return l.Status().Phase }

// Ready ends PhaseStarting: from now on readiness may say 200. Later calls do
// nothing.
func (l *Lifecycle) Ready() { l.step(PhaseStarting, PhaseReady) }

// step goes from one phase to another, if it is in the first.
func (l *Lifecycle) step(from, to Phase) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != from {
		return false
	}
	l.become(to)
	return true
}

// enter goes to a later phase.
func (l *Lifecycle) enter(p Phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase < p {
		l.become(p)
	}
}

// become changes the phase. The caller holds mu.
func (l *Lifecycle) become(p Phase) {
	l.phase, l.since = p, time.Now()
	l.leaving.Store(p > PhaseReady)
	l.svc.Tell(holdfast.Event{Kind: holdfast.EventPhase, Part: "process", Detail: p.String()})
}

// Hurry cuts the end short: the lame duck is skipped, requests under way are
// cancelled, and every other phase gets half a second. [Run] calls it at the
// second signal.
func (l *Lifecycle) Hurry() { l.hurry.cancel(errHurried) }
