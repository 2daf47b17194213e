package policy

import (
	"context"
	"fmt"
	"iter"

	"github.com/holdfast-go/holdfast/core"
)

// Registry puts a chain around the unary calls of a registry: Register,
// Deregister and Discover. A watch passes by, since it lives as long as its
// consumer wants, and so do the registry's other abilities, which [core.As] finds
// through the guard.
//
// A call that the chain gave up ([Timeout.Abandon]) or that lost a race ([Hedge])
// may still be under way when the chain has returned. Deregister awaits each
// Register of the same instance that is, within its ctx, so that none of them
// brings back what it removed.
//
// Errors are those of the registry and of [Chain.Do]; that the deadline of ctx
// passed is a [core.ErrUnavailable], as it is of a driver. The guard is safe for
// concurrent use if reg is. A nil reg gives nil; a nil chain guards nothing.
func Registry(reg core.Registry, c *Chain) core.Registry {
	if reg == nil || c == nil {
		return reg
	}
	return &guardedRegistry{reg: reg, chain: c}
}

type guardedRegistry struct {
	reg    core.Registry
	chain  *Chain
	writes writesInFlight
}

// Unwrap returns the registry below, for [core.As].
func (g *guardedRegistry) Unwrap() any { return g.reg }

func (g *guardedRegistry) Origin() string { return g.reg.Origin() }

func (g *guardedRegistry) Register(ctx context.Context, r core.Registration) error {
	w := g.writes.begin(r.Instance.Service, r.Instance.ID)
	defer w.end()
	return classified(ctx, "register", r.Instance.ID, g.chain.Do(ctx, func(ctx context.Context) error {
		if !w.enter() {
			return fmt.Errorf("%w: the call that wanted this registration has returned", core.ErrClosed)
		}
		defer w.leave()
		return g.reg.Register(ctx, r)
	}))
}

func (g *guardedRegistry) Deregister(ctx context.Context, r core.Registration) error {
	return classified(ctx, "deregister", r.Instance.ID, g.chain.Do(ctx, func(ctx context.Context) error {
		if err := g.writes.await(ctx, r.Instance.Service, r.Instance.ID); err != nil {
			return err
		}
		return g.reg.Deregister(ctx, r)
	}))
}

func (g *guardedRegistry) Discover(ctx context.Context, service string) (core.Snapshot[core.Instance], error) {
	s, err := Call(ctx, g.chain, func(ctx context.Context) (core.Snapshot[core.Instance], error) {
		return g.reg.Discover(ctx, service)
	})
	return s, classified(ctx, "discover", service, err)
}

func (g *guardedRegistry) Watch(ctx context.Context, service string, after core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return g.reg.Watch(ctx, service, after)
}
