package etcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
)

// AwaitLoss implements [core.LossAwaiter] by a watch of the own key on the client's
// one stream. While it runs, a beat of the same registration needs no read.
func (r *Registry) AwaitLoss(ctx context.Context, reg core.Registration) error {
	i := reg.Instance
	if i.ID == "" || i.Service == "" || reg.Owner == "" {
		return r.invalid("await loss", i.ID, core.ErrInvalid)
	}
	key := r.key(i.Service, i.ID)
	own := r.client.registrations.hold(key, i.Service, i.ID, reg.Owner)
	defer r.client.registrations.drop(own)
	err := r.client.awaitLoss(ctx, own)
	if errors.Is(kind(err), core.ErrRevisionGone) {
		// There is no revision to lose here: what became of the key can't be told.
		err = &core.Error{Driver: driver, Op: "await loss", Key: key, Kind: core.ErrUnavailable, Err: err}
	}
	return r.client.watchError(ctx, "await loss", key, err)
}

func (c *Client) awaitLoss(ctx context.Context, own *registration) error {
	// Watch from now on, then read: what happens after the read is in the watch, and
	// such a watch is in sync at once, where one from a revision in the past first
	// has to catch up.
	w, err := c.openWatch(ctx, own.key, "", 0)
	if err != nil {
		return err
	}
	defer w.close()
	kv, revision, err := c.find(ctx, own.key)
	if err != nil {
		return err
	}
	if err := own.lossOf(kv); err != nil {
		return err
	}
	defer c.registrations.saw(own, 0)
	c.registrations.saw(own, kv.GetModRevision())
	for {
		response, err := w.next(ctx)
		if err != nil {
			return err
		}
		for _, e := range response.Events {
			if e.Kv.GetModRevision() <= revision {
				continue
			}
			if e.Type == clientv3.EventTypeDelete {
				return own.lossOf(nil)
			}
			if err := own.lossOf(e.Kv); err != nil {
				return err
			}
			c.registrations.saw(own, e.Kv.GetModRevision())
		}
	}
}

// find reads the own key and the revision of that.
func (c *Client) find(ctx context.Context, key string) (*mvccpb.KeyValue, int64, error) {
	ctx, release := c.bind(ctx)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, c.heartbeatInterval+c.heartbeatTimeout)
	defer cancel()
	response, err := c.page(ctx, rangeRequest(key, "", 0, 0, false))
	if err != nil {
		return nil, 0, err
	}
	if len(response.GetKvs()) == 0 {
		return nil, response.GetHeader().GetRevision(), nil
	}
	return response.GetKvs()[0], response.GetHeader().GetRevision(), nil
}

// lossOf says what it means that the key holds kv; nil if all is well.
func (reg *registration) lossOf(kv *mvccpb.KeyValue) error {
	lost := &core.Error{Driver: driver, Op: "await loss", Key: reg.key}
	switch {
	case kv == nil:
		lost.Kind = core.ErrNotFound
	case ownerOf(reg.service, reg.id, kv.GetValue()) != reg.owner:
		lost.Kind = core.ErrConflict
	default:
		return nil
	}
	return lost
}
