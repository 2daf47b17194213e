package drivertest_test

import (
	"context"

	"github.com/holdfast-go/holdfast/core"
)

type (
	instanceSnap = core.Snapshot[core.Instance]
	writeFunc    = func(context.Context, core.Registration) error
)

// brokenRegistry is a registry with some of its methods replaced.
type brokenRegistry struct {
	core.Registry
	over                            <-chan struct{} // when the case is
	register, deregister, awaitLoss writeFunc
	discover                        func(context.Context, string) (instanceSnap, error)
}

func (r *brokenRegistry) Register(ctx context.Context, reg core.Registration) error {
	if r.register != nil {
		return r.register(ctx, reg)
	}
	return r.Registry.Register(ctx, reg)
}

func (r *brokenRegistry) Deregister(ctx context.Context, reg core.Registration) error {
	if r.deregister != nil {
		return r.deregister(ctx, reg)
	}
	return r.Registry.Deregister(ctx, reg)
}

func (r *brokenRegistry) AwaitLoss(ctx context.Context, reg core.Registration) error {
	if r.awaitLoss != nil {
		return r.awaitLoss(ctx, reg)
	}
	return r.Registry.(core.LossAwaiter).AwaitLoss(ctx, reg)
}

func (r *brokenRegistry) Discover(ctx context.Context, service string) (instanceSnap, error) {
	if r.discover != nil {
		return r.discover(ctx, service)
	}
	return r.Registry.Discover(ctx, service)
}

func (r *brokenRegistry) Unwrap() any { return r.Registry }
