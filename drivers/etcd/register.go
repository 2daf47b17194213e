package etcd

import (
	"bytes"
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// mostLeases is how many leases one Register may find dead under its feet.
	mostLeases = 3
	// mostWrites is how often one Register may lose the race for its key.
	mostWrites = 5
	// smallRequest is what every cluster accepts (--max-request-bytes).
	smallRequest = 1 << 20
)

var (
	errContended = errors.New("the key keeps changing")
	errNewer     = errors.New("a newer owner holds the ID")
)

// Register implements [core.Registry]. A beat renews the lease that the client's
// registrations share, and writes only if something is missing or changed: a lease
// that outlived an outage keeps its keys. The TTL is rounded up to whole seconds,
// two at least.
func (r *Registry) Register(ctx context.Context, reg core.Registration) error {
	i := reg.Instance
	if err := reg.Validate(); err != nil {
		return r.invalid("register", i.ID, err)
	}
	value, err := encodeEntry(reg)
	if err != nil {
		return r.invalid("register", i.ID, err)
	}
	bound, release := r.client.bind(ctx)
	defer release()
	key := r.key(i.Service, i.ID)
	own := r.client.registrations.hold(key, i.Service, i.ID, reg.Owner)
	defer r.client.registrations.drop(own)
	err = r.client.register(bound, own, value, seconds(reg.TTL))
	if len(key)+len(value) > smallRequest && err != nil && etcdError(err) == nil && status.Code(err) == codes.ResourceExhausted {
		// gRPC on the server refused the message before etcd could.
		return r.invalid("register", i.ID, rpctypes.ErrRequestTooLarge)
	}
	return r.client.fail(ctx, "register", key, err)
}

func (c *Client) register(ctx context.Context, own *registration, value []byte, ttl int64) error {
	done, err := own.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	for range mostLeases {
		l, fresh, err := c.useLease(ctx, ttl)
		if err != nil {
			return err
		}
		err = c.registerOn(ctx, own, l, fresh, value)
		c.leases.unuse(l)
		if !errors.Is(err, errLeaseGone) {
			return err
		}
		c.leases.retire(l)
		c.registrations.dead(l)
	}
	return errLeaseGone
}

func (c *Client) registerOn(ctx context.Context, own *registration, l *lease, fresh bool, value []byte) error {
	if !fresh {
		if err := c.renew(ctx, l); err != nil {
			return err
		}
	}
	same, vouched := c.registrations.holds(own, l, value)
	if vouched {
		return nil
	}
	guard := c.registrations.revision(own)
	if same {
		// Written before and not watched: somebody may have deleted or taken it.
		kv, err := c.read(ctx, own.key)
		if err != nil {
			return err
		}
		stored, err := c.compare(own, l, value, kv)
		if stored || err != nil {
			return err
		}
		guard = kv.GetModRevision()
	}
	return c.write(ctx, own, l, value, guard)
}

// write stores the value on the lease where the key's ModRevision is guard (0: no
// such key), and otherwise looks at what is there and decides again.
func (c *Client) write(ctx context.Context, own *registration, l *lease, value []byte, guard int64) error {
	for range mostWrites {
		kv, revision, err := c.putGuarded(ctx, own.key, value, l, guard)
		if err != nil {
			if oneOf(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
				return errLeaseGone
			}
			if errors.Is(kind(err), core.ErrUnavailable) {
				c.registrations.taint(own, l)
			}
			return err
		}
		if revision > 0 {
			c.registrations.stored(own, l, value, revision)
			return nil
		}
		stored, err := c.compare(own, l, value, kv)
		if stored || err != nil {
			return err
		}
		guard = kv.GetModRevision()
	}
	return &core.Error{Driver: driver, Op: "register", Key: own.key, Kind: core.ErrUnavailable, Err: errContended}
}

// compare judges what the key holds: true if that is exactly our value on our
// lease, an error if it is a newer owner's, and otherwise it is to be replaced.
func (c *Client) compare(own *registration, l *lease, value []byte, kv *mvccpb.KeyValue) (stored bool, err error) {
	if kv == nil {
		return false, nil
	}
	if kv.GetLease() == l.id && bytes.Equal(kv.GetValue(), value) {
		c.registrations.stored(own, l, value, kv.GetModRevision())
		return true, nil
	}
	if ownerOf(own.service, own.id, kv.GetValue()) > own.owner {
		c.registrations.lost(own)
		return false, &core.Error{Driver: driver, Op: "register", Key: own.key, Kind: core.ErrConflict, Err: errNewer}
	}
	return false, nil
}

// putGuarded puts the value if the key's ModRevision is guard, and returns the
// revision of that; 0 and what is there instead if it is not.
func (c *Client) putGuarded(ctx context.Context, key string, value []byte, l *lease, guard int64) (*mvccpb.KeyValue, int64, error) {
	return c.guarded(ctx, key, guard, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
		RequestPut: &pb.PutRequest{Key: []byte(key), Value: value, Lease: l.id},
	}})
}

// guarded does op if the key's ModRevision is guard, and otherwise reads the key.
func (c *Client) guarded(ctx context.Context, key string, guard int64, op *pb.RequestOp) (*mvccpb.KeyValue, int64, error) {
	response, err := c.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: []byte(key), Target: pb.Compare_MOD, Result: pb.Compare_EQUAL,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: guard},
		}},
		Success: []*pb.RequestOp{op},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}},
	}, callOptions()...)
	if err != nil {
		return nil, 0, err
	}
	if response.GetSucceeded() {
		return nil, response.GetHeader().GetRevision(), nil
	}
	var kv *mvccpb.KeyValue
	if found := response.GetResponses()[0].GetResponseRange().GetKvs(); len(found) > 0 {
		kv = found[0]
	}
	return kv, 0, nil
}

// read reads one key with quorum; nil if it is not there.
func (c *Client) read(ctx context.Context, key string) (*mvccpb.KeyValue, error) {
	response, err := c.page(ctx, rangeRequest(key, "", 0, 0, false))
	if err != nil || len(response.GetKvs()) == 0 {
		return nil, err
	}
	return response.GetKvs()[0], nil
}
