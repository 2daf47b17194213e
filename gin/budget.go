package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// hurried is what a phase gets once it was told to hurry.
	hurried = 500 * time.Millisecond
	// overtime is how long a phase is awaited after its ctx ended, so that its own
	// error is seen.
	overtime = 250 * time.Millisecond
)

var (
	errBudget  = errors.New("not done in the time")
	errHurried = fmt.Errorf("%w that a hurry leaves", errBudget)
)

// budget bounds ctx by d, and by half a second from the moment of Hurry.
func (l *Lifecycle) budget(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if l.hurry.Err() != nil {
		d = min(d, hurried)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, release := context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v", errBudget, d))
	last := make(chan *time.Timer, 1)
	stop := context.AfterFunc(l.hurry, func() {
		last <- time.AfterFunc(hurried, func() { cancel(errHurried) })
	})
	return ctx, func() {
		if !stop() {
			select {
			case t := <-last:
				t.Stop()
			default: // the hurry has only just begun; its timer finds nothing to cancel
			}
		}
		release()
		cancel(nil)
	}
}

// bounded runs f and returns its error, or soon after ctx ended that of ctx: what
// ignores its ctx is left behind, because the process must end. A panic is an
// error.
func bounded(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(overtime)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return fmt.Errorf("left behind: %w", context.Cause(ctx))
	}
}
