package etcd

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// listTimeout bounds one of the two reads of a list whose ctx has no deadline.
	listTimeout = 15 * time.Second
	// mostRestarts is how often a list may begin anew because its revision was
	// compacted between two pages.
	mostRestarts = 5
)

// loadSet lists a set: a linearizable read in the first half of the time that ctx
// has left, a serializable one in the rest.
func loadSet[V any](ctx context.Context, c *Client, op string, set set[V]) (core.Snapshot[V], error) {
	l, err := c.load(ctx, set.prefix, set.end, true)
	if err != nil {
		return core.Snapshot[V]{}, c.fail(ctx, op, set.name, err)
	}
	return set.snapshot(l), nil
}

// load lists [prefix, end) at one revision. Without quorum it reads what the
// member answering has, if replica allows that.
func (c *Client) load(ctx context.Context, prefix, end string, replica bool) (listing, error) {
	ctx, release := c.bind(ctx)
	defer release()
	l, err := c.loadConsistent(ctx, prefix, end)
	// Only what a replica can help against leads to it: not a refusal, and not a
	// connection that just failed, which would only fail again.
	if err == nil || !replica || !errors.Is(kind(err), core.ErrUnavailable) || ctx.Err() != nil || c.disconnected() {
		return l, err
	}
	first := err
	ctx, cancel := withTimeout(ctx, 1)
	defer cancel()
	l, err = c.list(ctx, prefix, end, true)
	if err != nil && errors.Is(kind(err), core.ErrUnavailable) {
		err = first // why the better read failed says more
	}
	return l, err
}

func (c *Client) loadConsistent(ctx context.Context, prefix, end string) (listing, error) {
	ctx, cancel := withTimeout(ctx, 2)
	defer cancel()
	return c.list(ctx, prefix, end, false)
}

// withTimeout gives the share 1/n of the time that ctx has left.
func withTimeout(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
	}
	return context.WithTimeout(ctx, listTimeout)
}

// list reads all pages at the revision of the first.
func (c *Client) list(ctx context.Context, prefix, end string, serializable bool) (l listing, err error) {
	for range mostRestarts {
		l, err = c.pages(ctx, prefix, end, serializable)
		if !errors.Is(kind(err), core.ErrRevisionGone) {
			break
		}
	}
	if errors.Is(kind(err), core.ErrRevisionGone) {
		// A list has no revision to lose: what is compacted faster than it can be
		// read is a matter of load.
		err = &core.Error{Driver: driver, Op: "load", Key: prefix, Kind: core.ErrUnavailable, Err: err}
	}
	return l, err
}

func (c *Client) pages(ctx context.Context, prefix, end string, serializable bool) (listing, error) {
	epoch := c.history.now()
	l := listing{replica: serializable}
	key := prefix
	for {
		response, err := c.page(ctx, rangeRequest(key, end, l.revision, c.pageSize, serializable))
		if err != nil {
			return listing{}, err
		}
		if l.revision == 0 {
			l.revision = response.GetHeader().GetRevision()
			l.count = int(response.GetCount())
		}
		kvs := response.GetKvs()
		l.kvs = append(l.kvs, kvs)
		if !response.GetMore() || len(kvs) == 0 {
			break
		}
		key = string(kvs[len(kvs)-1].GetKey()) + "\x00"
	}
	if !serializable {
		c.history.note(epoch, prefix, l.revision)
	}
	return l, nil
}

func (c *Client) page(ctx context.Context, request *pb.RangeRequest) (response *pb.RangeResponse, err error) {
	err = c.attempts(ctx, func(ctx context.Context) error {
		response, err = c.kv.Range(ctx, request, callOptions()...)
		return err
	})
	return response, err
}
