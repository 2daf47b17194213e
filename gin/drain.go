package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// Drain makes readiness say 503 at once, and then tells peers through the
// registry to send nothing new: status draining on every announcement that is
// up. Requests are served as before. It waits until the registry has confirmed,
// at most LifecycleOptions.DrainTimeout and until ctx ends.
//
// An error says that peers may not know yet: it is of kind
// [core.ErrUnavailable] when the backend did not answer in time, and the change
// is written as soon as it does. Readiness says 503 in any case. In a later
// phase Drain does nothing.
func (l *Lifecycle) Drain(ctx context.Context) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.enter(PhaseDraining)
	if l.Phase() != PhaseDraining {
		return nil
	}
	ctx, cancel := l.budget(ctx, l.opts.DrainTimeout)
	defer cancel()
	var up []*holdfast.Announcement
	l.mu.Lock()
	for _, a := range l.svc.Announcements() {
		st := a.Status()
		_, known := l.drained[a]
		if st.State != holdfast.StateClosed && (st.Instance.Status == core.StatusUp || known) {
			l.drained[a] = struct{}{}
			up = append(up, a)
		}
	}
	l.mu.Unlock()
	return setStatus(ctx, up, core.StatusDraining)
}

// Resume undoes Drain, after maintenance say: readiness may say 200 again, and
// what Drain found up is up again. It is bounded as Drain is, and so are its
// errors. In a phase other than draining, and once Stop was called, it does
// nothing.
func (l *Lifecycle) Resume(ctx context.Context) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.mu.Lock()
	if l.phase != PhaseDraining || l.stopping != nil {
		l.mu.Unlock()
		return nil
	}
	var drained []*holdfast.Announcement
	for a := range l.drained {
		drained = append(drained, a)
	}
	clear(l.drained)
	l.mu.Unlock()

	ctx, cancel := l.budget(ctx, l.opts.DrainTimeout)
	defer cancel()
	err := setStatus(ctx, drained, core.StatusUp)
	l.step(PhaseDraining, PhaseReady)
	return err
}

// setStatus changes what is announced, everywhere at once.
func setStatus(ctx context.Context, announcements []*holdfast.Announcement, to core.Status) error {
	errs := make([]error, len(announcements))
	var wg sync.WaitGroup
	for i, a := range announcements {
		wg.Go(func() {
			err := a.Update(ctx, func(in *core.Instance) { in.Status = to })
			if err != nil && !errors.Is(err, core.ErrClosed) {
				errs[i] = fmt.Errorf("announce status %v: %w", to, unanswered(err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
