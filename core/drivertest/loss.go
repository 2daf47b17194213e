package drivertest

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func lossChecks() []check[*registryRun] {
	no := func(absent func(r *registryRun) bool, reason string) func(r *registryRun) string {
		return func(r *registryRun) string {
			if _, ok := core.As[core.LossAwaiter](r.client().Registry); !ok {
				return "the driver is no core.LossAwaiter, which is optional"
			}
			return lacks(absent, reason)(r)
		}
	}
	never := func(*registryRun) bool { return false }
	return []check[*registryRun]{
		{name: "LossOfWhatIsNotThere", rule: ruleLoss, run: lossOfNothing, missing: no(never, "")},
		{name: "LossByRemoval", rule: ruleLoss, run: lossByRemoval, missing: no(func(r *registryRun) bool { return r.area.Remove == nil }, "the harness has no Remove")},
		{name: "LossByRevocation", rule: ruleLoss, run: lossByRevocation, missing: no(func(r *registryRun) bool { return r.area.Revoke == nil }, "the harness has no Revoke")},
		{name: "LossByTakeover", rule: ruleLoss, run: lossByTakeover, missing: no(never, "")},
		{name: "LossWhenCut", rule: ruleLoss, run: lossWhenCut, missing: no(func(r *registryRun) bool { return r.faults.Cut == nil }, "the harness has no Cut")},
		{name: "LossWhenSilent", rule: ruleLoss, run: lossWhenSilent, missing: no(func(r *registryRun) bool { return r.faults.Silence == nil }, "the harness has no Silence")},
		{name: "LossEndsWithTheCause", rule: ruleLoss, run: lossEndsWithCause, missing: no(never, "")},
	}
}

// vigil is a running AwaitLoss.
type vigil struct {
	cancel context.CancelCauseFunc
	result chan error
}

func (r *registryRun) await(c core.Registry, reg core.Registration) vigil {
	ctx, cancel := context.WithCancelCause(r.base.Context())
	v := vigil{cancel, make(chan error, 1)}
	awaiter, _ := core.As[core.LossAwaiter](c)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.result <- awaiter.AwaitLoss(ctx, reg)
	}()
	r.base.Cleanup(func() {
		cancel(errOver)
		if !in(releaseBound+slack, func() { <-ended }) {
			ruled{r.base, ruleRelease}.Errorf("AwaitLoss did not end within %v after its ctx did", releaseBound)
		}
	})
	return v
}

// registered registers an instance and waits for its loss. There is nothing to see
// of a vigil that has begun, so it is given a heartbeat interval, in which it must
// not report a loss either.
func (r *registryRun) registered(c core.Registry) (core.Registration, vigil) {
	r.Helper()
	reg := r.lasting(numbered("a", 1), ownerFirst)
	r.register(c, reg)
	v := r.await(c, reg)
	begun := time.NewTimer(r.heartbeat)
	defer begun.Stop()
	select {
	case err := <-v.result:
		r.Fatalf("AwaitLoss reported a loss of what is there: %v", err)
	case <-begun.C:
	}
	return reg, v
}

func (r *registryRun) lost(v vigil, within time.Duration, why string, kind error) {
	r.Helper()
	over := time.NewTimer(within)
	defer over.Stop()
	select {
	case err := <-v.result:
		r.wantKind("AwaitLoss, "+why, err, kind)
	case <-over.C:
		r.Fatalf("AwaitLoss did not return within %v: %s", within, why)
	}
}

func lossOfNothing(r *registryRun) {
	c := r.client()
	r.lost(r.await(c, r.lasting(numbered("a", 1), ownerFirst)), r.patience, "nothing is registered", core.ErrNotFound)
	r.register(c, r.lasting(numbered("a", 2), ownerSecond))
	r.lost(r.await(c, r.lasting(numbered("a", 1), ownerFirst)), r.patience, "another owner holds the ID", core.ErrConflict)
}

func lossByRemoval(r *registryRun) {
	c := r.client()
	reg, v := r.registered(c)
	// Neither a refresh, nor an update, nor a neighbour is a loss.
	r.register(c, reg)
	reg.Instance = numbered("a", 2)
	r.register(c, reg)
	neighbour := r.lasting(numbered("ab", 1), ownerFirst)
	r.register(c, neighbour)
	r.deregister(c, neighbour)
	quiet := time.NewTimer(r.heartbeat)
	defer quiet.Stop()
	select {
	case err := <-v.result:
		r.Fatalf("AwaitLoss took a refresh, an update or a neighbour for a loss: %v", err)
	case <-quiet.C:
	}
	r.area.Remove(r.base, service, "a")
	r.lost(v, time.Second+slack, "the entry was removed", core.ErrNotFound)
}

func lossByRevocation(r *registryRun) {
	_, v := r.registered(r.client())
	r.area.Revoke(r.base, service, "a")
	r.lost(v, time.Second+slack, "the lease was revoked", core.ErrNotFound)
}

func lossByTakeover(r *registryRun) {
	_, v := r.registered(r.client())
	r.register(r.client(), r.lasting(numbered("a", 2), ownerSecond))
	r.lost(v, time.Second+slack, "a newer owner took the ID", core.ErrConflict)
}

func lossWhenCut(r *registryRun) {
	_, v := r.registered(r.client())
	r.faults.Cut(r.base)
	r.lost(v, breakBound+slack, "the connection broke", core.ErrUnavailable)
}

func lossWhenSilent(r *registryRun) {
	_, v := r.registered(r.client())
	r.faults.Silence(r.base)
	r.lost(v, 2*r.heartbeat+slack, "the backend fell silent", core.ErrUnavailable)
}

func lossEndsWithCause(r *registryRun) {
	c := r.client()
	_, v := r.registered(c)
	r.endsWithCause(v)
	// What the client needs for any watch is there by now.
	base := goroutines()
	_, v = r.registered(c)
	r.endsWithCause(v)
	r.nothingLeft("after AwaitLoss had returned", base, releaseBound+slack)
}

func (r *registryRun) endsWithCause(v vigil) {
	r.Helper()
	v.cancel(errCallers)
	over := time.NewTimer(releaseBound + slack)
	defer over.Stop()
	select {
	case err := <-v.result:
		if err != errCallers { //nolint:errorlint // the very value, unwrapped
			r.Errorf("AwaitLoss whose ctx was cancelled: got %v; want context.Cause(ctx) as it is", err)
		}
	case <-over.C:
		r.Fatalf("AwaitLoss did not return within %v after its ctx ended", releaseBound)
	}
}
