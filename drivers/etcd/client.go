package etcd

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
)

// The bounds of a heartbeat and of a list.
const (
	defaultHeartbeatInterval = 4 * time.Second
	defaultHeartbeatTimeout  = 2500 * time.Millisecond
	defaultPageSize          = 20_000
)

// Client is one process's way to an etcd cluster. The registries and sources made
// from it share its connection, its one watch stream and its leases, so one
// Client per process and cluster is enough. All methods are safe for concurrent
// use.
type Client struct {
	etcd  *clientv3.Client
	owned bool // Close closes etcd as well
	kv    pb.KVClient
	lease pb.LeaseClient
	watch pb.WatchClient

	auth          *auth       // nil unless Dial was given credentials
	tls           *handshaker // nil unless Dial makes TLS connections
	history       *history
	leases        leases
	registrations registrations

	heartbeatInterval time.Duration
	heartbeatTimeout  time.Duration
	pageSize          int64

	// ctx ends with the client; its cause is then core.ErrClosed.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	current *stream              // the generation that new watches join; nil if there is none
	live    map[*stream]struct{} // all generations that still have members
	closed  bool
}

// Wrap makes a Client of a client that the caller made and goes on owning: Close
// leaves it open. What [Dial] sets up for quick recovery and quick failure (the
// backoff of connections, keepalive, retries, credentials that never block) is
// then the caller's business. Because a wrapped client can't tell when its
// connections broke, each watch lists once more when it begins and yields that
// as a Reset.
//
// The driver talks over the connection of etcd itself: a KV or Watcher that the
// caller replaced, such as a namespace, is not seen.
func Wrap(etcd *clientv3.Client) *Client {
	return newClient(etcd)
}

func newClient(etcd *clientv3.Client) *Client {
	conn := etcd.ActiveConnection()
	c := &Client{
		etcd:              etcd,
		kv:                pb.NewKVClient(conn),
		lease:             pb.NewLeaseClient(conn),
		watch:             pb.NewWatchClient(conn),
		heartbeatInterval: defaultHeartbeatInterval,
		heartbeatTimeout:  defaultHeartbeatTimeout,
		pageSize:          defaultPageSize,
		live:              make(map[*stream]struct{}),
		history:           new(history),
		leases:            newLeases(),
		registrations:     registrations{entries: make(map[registrationID]*registration)},
	}
	c.ctx, c.cancel = context.WithCancelCause(etcd.Ctx())
	return c
}

// Close ends every watch and every call in flight with [core.ErrClosed] and
// releases the connection, unless the Client was made by [Wrap]. It returns
// within a second even if the cluster is dead, deregisters nothing (leases end by
// themselves) and may be called again.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	live := slices.Collect(maps.Keys(c.live))
	c.mu.Unlock()
	// Streams first: a client whose streams are still connecting to a dead cluster
	// would wait for them.
	c.cancel(core.ErrClosed)
	for _, s := range live {
		s.release()
	}
	if !c.owned {
		return nil
	}
	if err := c.etcd.Close(); err != nil && c.etcd.Ctx().Err() == nil {
		return &core.Error{Driver: driver, Op: "close", Kind: core.ErrUnavailable, Err: err}
	}
	return nil
}

// bind returns a ctx that ends with ctx or with the client, whichever is first.
func (c *Client) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })
	return bound, func() {
		stop()
		cancel(nil)
	}
}

// callOptions are those of every call. A call waits while the connection is being
// made and fails at once when making it failed: clientv3's default waits for the
// caller's deadline instead. Sizes are the server's to judge.
func callOptions() []grpc.CallOption {
	return []grpc.CallOption{
		grpc.WaitForReady(false),
		grpc.MaxCallRecvMsgSize(math.MaxInt32),
		grpc.MaxCallSendMsgSize(math.MaxInt32),
	}
}

// attempts calls try until one answers: as often as there are endpoints, three
// times at most, each with its share of the time that ctx has left. A stopped
// member of several, which the balancer does not know of, so costs one share and
// not the whole. A try that a broken connection ended early costs nothing but one
// more. try must be safe to repeat.
func (c *Client) attempts(ctx context.Context, try func(ctx context.Context) error) error {
	again := true
	for left := min(len(c.etcd.Endpoints()), 3); ; {
		err := c.attempt(ctx, left, try)
		if err == nil || ctx.Err() != nil || !errors.Is(kind(err), core.ErrUnavailable) {
			return err
		}
		switch {
		case left > 1:
			left--
		case again && status.Code(err) == codes.Unavailable && etcdError(err) == nil && !c.disconnected():
			again = false
		default:
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, left int, try func(ctx context.Context) error) error {
	deadline, ok := ctx.Deadline()
	if !ok || left <= 1 {
		return try(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
	defer cancel()
	return try(ctx)
}

// connected reports that there is a connection to at least one member, so that a
// handshake refused by another one does not explain why a call failed.
func (c *Client) connected() bool {
	return c.etcd.ActiveConnection().GetState() == connectivity.Ready
}

// disconnected reports that the last try to connect failed and no other
// connection is there, so that a call now fails at once.
func (c *Client) disconnected() bool {
	return c.etcd.ActiveConnection().GetState() == connectivity.TransientFailure
}
