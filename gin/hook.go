package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// hook is a function of the program that runs at the end.
type hook struct {
	name    string
	timeout time.Duration
	f       func(context.Context) error
}

// OnStop adds a hook that runs at the end, when the last request is answered and
// before the service closes: the place to close a database. Hooks run one after
// another, the last one added first; each gets its own timeout, that of
// LifecycleOptions.HookTimeout if it is not positive. A hook that has not
// returned by then is left behind; one that fails or panics keeps no other from
// running, and its error is part of Stop's. Hooks added after the hooks began do
// not run.
func (l *Lifecycle) OnStop(name string, timeout time.Duration, f func(ctx context.Context) error) {
	if timeout <= 0 {
		timeout = l.opts.HookTimeout
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hooks = append(l.hooks, hook{name: name, timeout: timeout, f: f})
}

// hookTime is what all hooks together may take.
func (l *Lifecycle) hookTime() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := overtime
	for _, h := range l.hooks {
		all += h.timeout + 2*overtime
	}
	return all
}

// runHooks runs every hook. Each has a bound of its own, so that ctx has none.
func (l *Lifecycle) runHooks(ctx context.Context) error {
	l.mu.Lock()
	hooks := slices.Clone(l.hooks)
	l.mu.Unlock()
	var errs []error
	for _, h := range slices.Backward(hooks) {
		within, cancel := l.budget(ctx, h.timeout)
		if err := bounded(within, h.f); err != nil {
			errs = append(errs, fmt.Errorf("hook %q: %w", h.name, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}
