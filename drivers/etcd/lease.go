package etcd

import (
	"context"
	"errors"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// minTTL is what a cluster with etcd's default election timeout grants at least.
const minTTL = 2

// endOfStream bounds the wait for the clean end of a stream whose answer is here.
const endOfStream = 250 * time.Millisecond

var errLeaseGone = errors.New("the lease is gone")

// lease is one that this client was granted.
type lease struct {
	id  int64
	ttl int64 // seconds, as asked: the slot it belongs to

	// Guarded by leases.mu.
	users   int           // registrations being written on it right now
	retired bool          // nothing is written on it any more
	idle    chan struct{} // closed when retired and without users
}

// leases hands out the one current lease of each TTL.
type leases struct {
	mu       sync.Mutex
	current  map[int64]*lease
	granting map[int64]chan struct{} // closed when the grant in flight ends
}

func newLeases() leases {
	return leases{current: make(map[int64]*lease), granting: make(map[int64]chan struct{})}
}

// seconds rounds a TTL up to what etcd can.
func seconds(ttl time.Duration) int64 {
	return max(int64((ttl+time.Second-1)/time.Second), minTTL)
}

// useLease returns the current lease of a TTL for writing on, until unuse. If
// there is none it is granted, by one caller at a time within that caller's ctx;
// the others wait within theirs. fresh says that this call had it granted.
func (c *Client) useLease(ctx context.Context, ttl int64) (l *lease, fresh bool, err error) {
	ls := &c.leases
	for {
		ls.mu.Lock()
		if l := ls.current[ttl]; l != nil {
			l.users++
			ls.mu.Unlock()
			return l, false, nil
		}
		wait := ls.granting[ttl]
		if wait == nil {
			wait = make(chan struct{})
			ls.granting[ttl] = wait
			ls.mu.Unlock()
			l, err := c.grant(ctx, ttl)
			ls.mu.Lock()
			delete(ls.granting, ttl)
			close(wait)
			if err == nil {
				l.users++
				ls.current[ttl] = l
			}
			ls.mu.Unlock()
			return l, true, err
		}
		ls.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

func (ls *leases) unuse(l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.users--
	ls.settle(l)
}

// retire takes a lease out of use: what is written from now on goes on another.
// The channel returned is closed once nothing is being written on it any more.
func (ls *leases) retire(l *lease) <-chan struct{} {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.current[l.ttl] == l {
		delete(ls.current, l.ttl)
	}
	l.retired = true
	ls.settle(l)
	return l.idle
}

func (ls *leases) settle(l *lease) {
	if !l.retired || l.users > 0 {
		return
	}
	select {
	case <-l.idle:
	default:
		close(l.idle)
	}
}

func (c *Client) grant(ctx context.Context, ttl int64) (*lease, error) {
	response, err := c.lease.LeaseGrant(clientv3.WithRequireLeader(ctx), &pb.LeaseGrantRequest{TTL: ttl}, callOptions()...)
	if err != nil {
		return nil, err
	}
	return &lease{id: response.GetID(), ttl: ttl, idle: make(chan struct{})}, nil
}

// renew is one beat of a lease; errLeaseGone says that it is dead for certain. It
// is one try on a stream of its own: clientv3's KeepAliveOnce repeats without
// a pause while there is no leader.
func (c *Client) renew(ctx context.Context, l *lease) error {
	err := c.attempts(ctx, func(ctx context.Context) error { return c.renewOnce(ctx, l) })
	if oneOf(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
		return errLeaseGone
	}
	return err
}

func (c *Client) renewOnce(ctx context.Context, l *lease) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	stream, err := c.lease.LeaseKeepAlive(ctx, callOptions()...)
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: l.id}); err != nil {
		// The reason is in what Recv returns.
		_, err = stream.Recv()
		c.auth.forget(err)
		return err
	}
	_ = stream.CloseSend() // only lets the server end the stream without counting an error
	response, err := stream.Recv()
	if err != nil {
		c.auth.forget(err)
		return err
	}
	defer time.AfterFunc(endOfStream, cancel).Stop()
	_, _ = stream.Recv()
	if response.GetTTL() <= 0 {
		return errLeaseGone
	}
	return nil
}

// revoke ends a lease and everything on it. That it is gone already is fine.
func (c *Client) revoke(ctx context.Context, l *lease) error {
	_, err := c.lease.LeaseRevoke(clientv3.WithRequireLeader(ctx), &pb.LeaseRevokeRequest{ID: l.id}, callOptions()...)
	if oneOf(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return err
}
