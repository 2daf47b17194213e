package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// Stop ends the process's work so that no peer notices: Drain, lame duck,
// deregister, stop the servers (streams first, then requests under way), hooks,
// flush of the cache, [holdfast.Service.Close]. No phase takes longer than its
// budget, even if the backend is dead; each is an event of the service's timeline
// and a line of the log. When ctx ends, the rest hurries (see [Lifecycle.Hurry]).
//
// The servers are those given to Attach; Stop awaits their requests. That of [Run]
// ends in any case. The error
// joins what went wrong in each phase: requests that had to be cut off, hooks
// that failed, a cache that could not be written, a registry that refuses. A
// registry that does not answer is no error, only a warning in the log: the
// instance ends by its TTL, and a program that ends during an outage ends well.
//
// A second Stop awaits the first one and returns the same.
func (l *Lifecycle) Stop(ctx context.Context, servers ...*http.Server) error {
	l.mu.Lock()
	if l.stopping != nil {
		stopping := l.stopping
		l.mu.Unlock()
		<-stopping
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stopErr
	}
	l.stopping = make(chan struct{})
	if l.served != nil && !slices.Contains(servers, l.served) {
		servers = append(slices.Clone(servers), l.served)
	}
	l.mu.Unlock()

	release := context.AfterFunc(ctx, l.Hurry)
	defer release()
	err := l.end(context.WithoutCancel(ctx), servers)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopErr = err
	close(l.stopping)
	return err
}

// end goes through the phases.
func (l *Lifecycle) end(ctx context.Context, servers []*http.Server) error {
	o := l.opts
	drained := l.run(ctx, PhaseDraining, o.DrainTimeout, l.Drain)
	ducked := l.run(ctx, PhaseLameDuck, o.LameDuck+overtime, l.lameDuck)
	deregistered := l.run(ctx, PhaseDeregistering, min(o.DeregisterTimeout, 2*time.Second), l.deregister)
	errs := []error{
		forgive(drained, PhaseDraining, core.ErrUnavailable),
		ducked,
		forgive(deregistered, PhaseDeregistering, core.ErrUnavailable),
		l.run(ctx, PhaseStopping, o.ShutdownTimeout, func(ctx context.Context) error { return l.stopServers(ctx, servers) }),
		l.run(ctx, PhaseHooks, l.hookTime(), func(context.Context) error { return l.runHooks(ctx) }),
		l.run(ctx, PhaseFlushing, o.FlushTimeout, l.svc.FlushCache),
	}
	closed := forgive(l.run(ctx, PhaseClosing, o.CloseTimeout, l.svc.Close), PhaseClosing, core.ErrUnavailable)
	if deregistered != nil {
		// Close tries once more what could not be deregistered, and runs out of time
		// as that did.
		closed = forgive(closed, PhaseClosing, errBudget)
	}
	l.enter(PhaseClosed)
	errs = append(errs, closed)
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("holdfastgin: %w", err)
		}
	}
	return errors.Join(errs...)
}

// run goes through one phase and logs it.
func (l *Lifecycle) run(ctx context.Context, p Phase, d time.Duration, f func(context.Context) error) error {
	l.enter(p)
	began := time.Now()
	within, cancel := l.budget(ctx, d)
	defer cancel()
	err := bounded(within, f)
	attrs := []slog.Attr{slog.String("phase", p.String()), slog.Duration("took", time.Since(began).Round(time.Microsecond))}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", err.Error()))
		err = &phaseError{phase: p, parts: parts(err)}
		l.svc.Tell(holdfast.Event{Kind: holdfast.EventPhase, Part: "process", Detail: p.String() + " went wrong", Err: err})
	}
	l.opts.Logger.LogAttrs(ctx, level, "holdfast: lifecycle", attrs...)
	return err
}

// lameDuck serves on for a while.
func (l *Lifecycle) lameDuck(ctx context.Context) error {
	t := time.NewTimer(l.opts.LameDuck)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.hurry.Done():
	case <-ctx.Done():
	}
	return nil
}

// deregister removes every announcement at once.
func (l *Lifecycle) deregister(ctx context.Context) error {
	announcements := l.svc.Announcements()
	errs := make([]error, len(announcements))
	var wg sync.WaitGroup
	for i, a := range announcements {
		wg.Go(func() { errs[i] = unanswered(a.Close(ctx)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
