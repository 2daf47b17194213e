package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// Defaults of Start.
const (
	defaultStartBudget = 2 * time.Second
	cachedStartBudget  = 250 * time.Millisecond // of it, when there is a usable cache
)

// Options say what a service is and what it uses. Name and at least one of
// Registry and Config are required; everything else works as its zero value.
type Options struct {
	// Name is the name that peers look for.
	Name string
	// Version of the program; instances announce it. Default "".
	Version string
	// Registry finds peers and announces instances. Default none.
	Registry core.Registry
	// Config is where configuration comes from. Default none.
	Config core.ConfigSource
	// Cache keeps the last good state for the next start. It stays the caller's:
	// close it after the service. Default none: memory alone serves.
	Cache core.CacheStore
	// CacheScope keeps apart services that share a cache store and a backend but
	// must not share values. Default "".
	CacheScope string
	// StartBudget is how long Start waits for the backend at most; with a usable
	// cache it waits 250 ms of it, and no longer once the backend has failed. Default 2 s; negative does not wait.
	StartBudget time.Duration
	// RequireLevel makes Start fail when the configuration is not at least at this
	// level by the end of StartBudget. Default core.None: any level will do.
	RequireLevel core.Level
	// TTL is how long peers see an instance that died without a word. Default 15 s.
	TTL time.Duration
	// Gate may mark announced instances draining or down; see [AnnounceOptions].
	// Default none.
	Gate func(ctx context.Context) core.Status
	// RequestTimeout is the deadline of one request to a backend, Policy included.
	// Default 2 s.
	RequestTimeout time.Duration
	// Policy goes around each unary request to Registry and Config; watches pass
	// by. The engines retry for ever with backoff of their own, so a Retry makes
	// them no more patient, and a Breaker keeps them away from a backend that has
	// come back until it lets a probe through. Default none: the deadline alone.
	Policy *policy.Chain
	// RecoverySpread is what the first requests of many processes are spread over
	// when a backend comes back. Default the lesser of TTL/4 and 1.5 s; negative is
	// off.
	RecoverySpread time.Duration
	// Resync is how often everything is listed again while all is well, +-20 %.
	// Default 5 min; negative is never.
	Resync time.Duration
	// SuspectFor is how long instances are kept at most that went as if by trouble;
	// see [DiscoveryOptions].
	// Default 10 min.
	SuspectFor time.Duration
	// Probe asks a suspect or ejected instance directly whether it lives. Default
	// [Connect].
	Probe Probe
	// Ejection says when an instance gets no requests for a while. Default: after 5
	// failures in a row.
	Ejection EjectionOptions
	// Logger gets one line per change. Default slog.Default().
	Logger *slog.Logger
}

// Service keeps one Gin service, or any other program, configured, registered
// and in touch with its peers. It is safe for concurrent use.
type Service struct {
	opts      Options
	started   time.Time
	jrnl      *journal
	keeper    *keeper
	config    *Config
	discovery *Discovery
	unheard   func() // ends the events of Options.Policy

	mu            sync.Mutex
	closed        bool
	announcements []*Announcement
}

// Start makes a service and waits, at most StartBudget, until its configuration
// is live; what is best by then is served, and the rest goes on behind. It never
// fails because a backend or a cache is down.
//
// Errors: [core.ErrInvalid] for a mistake of the program; [core.ErrUnavailable]
// when RequireLevel was not reached; context.Cause(ctx) when ctx was cancelled.
// ctx bounds Start alone (its deadline shortens StartBudget); the engines live
// until Close.
func Start(ctx context.Context, opts Options) (*Service, error) {
	if err := opts.normalize(); err != nil {
		return nil, fmt.Errorf("holdfast: start: %w", err)
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("holdfast: start: %w", context.Cause(ctx))
	}
	opts.Registry = policy.Registry(opts.Registry, opts.Policy)
	opts.Config = policy.ConfigSource(opts.Config, opts.Policy)
	j := newJournal(opts.Logger)
	k := newKeeper(opts.Cache, j)
	s := &Service{
		opts: opts, started: time.Now(), jrnl: j, keeper: k,
		config: openConfig(opts.Config, ConfigOptions{
			CacheScope: opts.CacheScope, RequestTimeout: opts.RequestTimeout, RecoverySpread: opts.RecoverySpread, Resync: opts.Resync,
		}, j, k),
	}
	if opts.Registry != nil {
		s.discovery = openDiscovery(opts.Registry, DiscoveryOptions{
			CacheScope: opts.CacheScope, RequestTimeout: opts.RequestTimeout, RecoverySpread: opts.RecoverySpread, Resync: opts.Resync, SuspectFor: opts.SuspectFor,
			Probe: opts.Probe, Ejection: opts.Ejection,
		}, j, k)
	}
	s.unheard = opts.Policy.OnChange(func(e policy.Event) { j.record(breakerEvent(e)) })
	if err := s.awaitStart(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushAtClose)
		defer cancel()
		return nil, fmt.Errorf("holdfast: start: %w", errors.Join(err, s.Close(stop)))
	}
	return s, nil
}

func (o *Options) normalize() error {
	switch {
	case o.Name == "":
		return fmt.Errorf("%w: Options.Name is empty; give the name that peers look for", core.ErrInvalid)
	case o.Registry == nil && o.Config == nil:
		return fmt.Errorf("%w: Options has neither Registry nor Config; set at least one, for example with memory.New", core.ErrInvalid)
	case o.Registry != nil && missing(o.Registry):
		return fmt.Errorf("%w: Options.Registry holds a nil %T", core.ErrInvalid, o.Registry)
	case o.Config != nil && missing(o.Config):
		return fmt.Errorf("%w: Options.Config holds a nil %T", core.ErrInvalid, o.Config)
	case o.Cache != nil && missing(o.Cache):
		return fmt.Errorf("%w: Options.Cache holds a nil %T", core.ErrInvalid, o.Cache)
	case o.TTL < 0:
		return fmt.Errorf("%w: Options.TTL is %v; give a positive one, or 0 for the default", core.ErrInvalid, o.TTL)
	case o.RequestTimeout < 0:
		return fmt.Errorf("%w: Options.RequestTimeout is %v; give a positive one, or 0 for the default", core.ErrInvalid, o.RequestTimeout)
	case o.RequireLevel > core.Empty:
		return fmt.Errorf("%w: Options.RequireLevel is %v, which is no level", core.ErrInvalid, o.RequireLevel)
	case o.RequireLevel != core.None && o.Config == nil:
		return fmt.Errorf("%w: Options.RequireLevel asks for a level of the configuration, but Options.Config is nil", core.ErrInvalid)
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.RecoverySpread == 0 {
		o.RecoverySpread = min(o.TTL/4, longestSpread)
	}
	return nil
}

// awaitStart waits for the configuration as long as Start may.
func (s *Service) awaitStart(ctx context.Context) error {
	if s.config.src == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, orDefault(s.opts.StartBudget, defaultStartBudget))
	defer cancel()
	if min := s.opts.RequireLevel; min != core.None {
		if err := s.config.WaitLevel(within, min); err != nil {
			if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
				return context.Cause(ctx)
			}
			st := s.config.Status()
			return fmt.Errorf("%w: the configuration is at level %v after %v, and RequireLevel asks for %v: %w",
				core.ErrUnavailable, st.Level, time.Since(s.started).Round(time.Millisecond), min, orReason(st.Err))
		}
		return nil
	}
	brief, cancelBrief := context.WithTimeout(within, cachedStartBudget)
	defer cancelBrief()
	select {
	case <-s.config.looked: // else a refused live value would go back to the default instead of the cached one
	case <-brief.Done():
	}
	// Reaching no level in time is what levels are for, not an error.
	if s.jrnl.await(brief, s.config.settled) != nil {
		_ = s.config.WaitLevel(within, core.Cached)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	return nil
}

var errNoAnswer = errors.New("the backend has not answered yet")

func orReason(err error) error {
	if err == nil {
		return errNoAnswer
	}
	return err
}

// Name returns Options.Name.
func (s *Service) Name() string { return s.opts.Name }

// Config returns the service's configuration, for [Bind]. Without
// Options.Config, Bind on it fails.
func (s *Service) Config() *Config { return s.config }

// Endpoints returns the instances of a service that this one calls: the same
// handle for the same name. It never blocks; the first call begins to look.
// Without Options.Registry the handle stays empty, and says so.
func (s *Service) Endpoints(service string) *Endpoints { return s.discovery.Endpoints(service) }

// Announce registers an instance and keeps it so until Close. An empty Service
// or Version is the service's own. It returns at once; an error is a mistake of
// the program ([core.ErrInvalid]), or [core.ErrClosed].
func (s *Service) Announce(in core.Instance) (*Announcement, error) {
	if s.opts.Registry == nil {
		return nil, fmt.Errorf("holdfast: announce: %w: the service has no registry; set Options.Registry", core.ErrInvalid)
	}
	if in.Service == "" {
		in.Service = s.opts.Name
	}
	if in.Version == "" {
		in.Version = s.opts.Version
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("holdfast: announce: %w", core.ErrClosed)
	}
	a, err := announce(s.opts.Registry, in, AnnounceOptions{
		TTL: s.opts.TTL, RequestTimeout: s.opts.RequestTimeout, RecoverySpread: s.opts.RecoverySpread, Gate: s.opts.Gate,
	}, s.jrnl)
	if err != nil {
		return nil, fmt.Errorf("holdfast: %w", err)
	}
	s.announcements = append(s.announcements, a)
	return a, nil
}

// Announcements returns what was announced, in order, closed ones included.
func (s *Service) Announcements() []*Announcement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.announcements)
}

// WaitLevel blocks until the service is at least at level min (see
// [Status.Level]) and every bound value was brought up to date with it, as
// [Config.WaitLevel] does. It returns context.Cause(ctx) if ctx ends first, or
// [core.ErrClosed] after Close.
func (s *Service) WaitLevel(ctx context.Context, min core.Level) error {
	closed := false
	err := s.jrnl.await(ctx, func() bool {
		s.mu.Lock()
		closed = s.closed
		s.mu.Unlock()
		return closed || s.Level().AtLeast(min)
	})
	if err == nil && closed {
		return fmt.Errorf("holdfast: %w", core.ErrClosed)
	}
	if err == nil {
		err = s.config.awaitBindings(ctx)
	}
	return err
}

// Addresses returns the host:port of each server that the registry and the
// configuration are asked of, as far as their drivers know ([core.Located]).
func (s *Service) Addresses() []string {
	var all []string
	for _, backend := range []any{s.opts.Registry, s.opts.Config} {
		if l, ok := core.As[core.Located](backend); ok {
			all = append(all, l.Addresses()...)
		}
	}
	return all
}

// Tell adds an event of now to the timeline of Status: for what happens around the
// service, such as the phases of a process. It logs nothing. The Kind may be one of
// the caller's own; it becomes the label of a metric, so there should be few.
func (s *Service) Tell(e Event) { s.jrnl.remember(e) }

// FlushCache writes what is pending to the cache store now, within ctx.
func (s *Service) FlushCache(ctx context.Context) error { return s.keeper.flush(ctx) }

// Close deregisters what was announced, ends the engines and flushes the cache:
// each step within ctx and 2 s even if the backend is dead. The flush has half a
// second even when the steps before it have used up ctx. What was read last
// stays readable. Registry, Config and Cache are the caller's and stay open. The
// error joins what did not go well. A second Close returns nil.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	announcements := slices.Clone(s.announcements)
	s.mu.Unlock()
	s.jrnl.wake()

	errs := make([]error, len(announcements), len(announcements)+3)
	var wg sync.WaitGroup
	for i, a := range announcements {
		wg.Go(func() { errs[i] = a.Close(ctx) })
	}
	wg.Wait()
	if s.discovery != nil {
		errs = append(errs, within(ctx, s.discovery.Close))
	}
	errs = append(errs, within(ctx, s.config.Close), s.keeper.close(ctx))
	s.unheard()
	return errors.Join(errs...)
}

// within bounds one step of a Close: a driver may ignore its ctx, and a function
// of the program may wait for the very Close that awaits it.
func within(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, closeTimeout, errStepTimeout)
	defer cancel()
	return step(ctx)
}

var errStepTimeout = fmt.Errorf("it did not end in %v: %w", closeTimeout, context.DeadlineExceeded)
