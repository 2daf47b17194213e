package etcd

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/holdfast-go/holdfast/core"
)

// Deregister implements [core.Registry]. If the outcome of an earlier write of the
// registration is unknown, its lease is revoked, so that the write fails whenever
// it is applied; other registrations on that lease move to a new one before.
func (r *Registry) Deregister(ctx context.Context, reg core.Registration) error {
	i := reg.Instance
	if i.ID == "" || i.Service == "" || reg.Owner == "" {
		return r.invalid("deregister", i.ID, core.ErrInvalid)
	}
	bound, release := r.client.bind(ctx)
	defer release()
	key := r.key(i.Service, i.ID)
	own := r.client.registrations.hold(key, i.Service, i.ID, reg.Owner)
	defer r.client.registrations.drop(own)
	return r.client.fail(ctx, "deregister", key, r.client.deregister(bound, own))
}

func (c *Client) deregister(ctx context.Context, own *registration) error {
	done, err := own.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	for _, l := range c.registrations.taints(own) {
		if err := c.abandon(ctx, own, l); err != nil {
			return err
		}
	}
	c.registrations.mu.Lock()
	guard, l := own.written, own.lease
	c.registrations.mu.Unlock()
	if err := c.remove(ctx, own, guard); err != nil {
		return err
	}
	c.registrations.lost(own)
	if l != nil && len(c.registrations.others(own, l)) == 0 {
		c.endUnused(ctx, own, l)
	}
	return nil
}

// remove deletes the key if it is the owner's.
func (c *Client) remove(ctx context.Context, own *registration, guard int64) error {
	if guard == 0 {
		kv, err := c.read(ctx, own.key)
		if err != nil || kv == nil || ownerOf(own.service, own.id, kv.GetValue()) != own.owner {
			return err
		}
		guard = kv.GetModRevision()
	}
	for range mostWrites {
		kv, revision, err := c.guarded(ctx, own.key, guard, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(own.key)},
		}})
		if err != nil || revision > 0 || kv == nil || ownerOf(own.service, own.id, kv.GetValue()) != own.owner {
			return err
		}
		guard = kv.GetModRevision()
	}
	return &core.Error{Driver: driver, Op: "deregister", Key: own.key, Kind: core.ErrUnavailable, Err: errContended}
}

// endUnused revokes a lease that nothing lies on any more. It would end by itself,
// so a failure harms nobody.
func (c *Client) endUnused(ctx context.Context, own *registration, l *lease) {
	idle := c.leases.retire(l)
	select {
	case <-idle:
	default:
		return // another registration is being written on it; it will move to a new one
	}
	if len(c.registrations.others(own, l)) > 0 {
		return
	}
	if c.revoke(ctx, l) == nil {
		c.registrations.dead(l)
	}
}

// abandon makes sure that nothing late can be written on the lease: what else lies
// on it moves to a new one, and then it is revoked.
func (c *Client) abandon(ctx context.Context, own *registration, l *lease) error {
	select {
	case <-c.leases.retire(l):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, other := range c.registrations.others(own, l) {
		if err := c.move(ctx, other, l); err != nil {
			return err
		}
	}
	if err := c.revoke(ctx, l); err != nil {
		return err
	}
	c.registrations.dead(l)
	return nil
}

// move stores a registration on a new lease as it is. Its own Register may do the
// same at the same time: the guard lets one of them win.
func (c *Client) move(ctx context.Context, other *registration, from *lease) error {
	to, _, err := c.useLease(ctx, from.ttl)
	if err != nil {
		return err
	}
	defer c.leases.unuse(to)
	c.registrations.mu.Lock()
	guard, value, lies := other.written, other.value, other.lease
	c.registrations.mu.Unlock()
	if lies != from || guard == 0 {
		return nil
	}
	_, revision, err := c.putGuarded(ctx, other.key, value, to, guard)
	if err != nil {
		if oneOf(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
			c.leases.retire(to)
		}
		if errors.Is(kind(err), core.ErrUnavailable) {
			c.registrations.taint(other, to)
		}
		return err
	}
	if revision > 0 {
		c.registrations.stored(other, to, value, revision)
	}
	return nil
}
