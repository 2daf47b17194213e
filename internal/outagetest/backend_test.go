package outagetest

import (
	"context"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	configPrefix   = "/config/shop/"
	maxItemsKey    = configPrefix + "limits/max_items"
	pricingKey     = configPrefix + "pricing.json"
	backendTimeout = 10 * time.Second
)

// backend is the test's own way to a cluster: it reads and writes what the
// services are about to see.
type backend struct {
	t      *testing.T
	client *clientv3.Client
}

// deadline is a ctx for one request, which ends with the test.
func (b backend) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.t.Context(), backendTimeout)
}

// put stores a value and returns the revision of that.
func (b backend) put(key, value string) int64 {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	answer, err := b.client.Put(ctx, key, value)
	if err != nil {
		b.t.Fatalf("put %s: %v", key, err)
	}
	return answer.Header.Revision
}

// remove deletes a key that is there.
func (b backend) remove(key string) {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	answer, err := b.client.Delete(ctx, key)
	if err != nil || answer.Deleted != 1 {
		b.t.Fatalf("delete %s: %v, %v", key, answer, err)
	}
}

// get returns a key, nil if it is not there, and the revision of that.
func (b backend) get(key string) (*mvccpb.KeyValue, int64) {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	answer, err := b.client.Get(ctx, key)
	if err != nil {
		b.t.Fatalf("get %s: %v", key, err)
	}
	if len(answer.Kvs) == 0 {
		return nil, answer.Header.Revision
	}
	return answer.Kvs[0], answer.Header.Revision
}

// mustGet is get of a key that has to be there.
func (b backend) mustGet(key string) *mvccpb.KeyValue {
	b.t.Helper()
	kv, _ := b.get(key)
	if kv == nil {
		b.t.Fatalf("%s is not there", key)
	}
	return kv
}

// list returns everything below a prefix.
func (b backend) list(prefix string) []*mvccpb.KeyValue {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	answer, err := b.client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		b.t.Fatalf("list %s: %v", prefix, err)
	}
	return answer.Kvs
}

// timeToLive returns how many seconds a lease has left, -1 if it is gone.
func (b backend) timeToLive(lease int64) int64 {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	answer, err := b.client.TimeToLive(ctx, clientv3.LeaseID(lease))
	if err != nil {
		b.t.Fatalf("time to live of %x: %v", lease, err)
	}
	return answer.TTL
}

// revoke ends a lease.
func (b backend) revoke(lease int64) {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	if _, err := b.client.Revoke(ctx, clientv3.LeaseID(lease)); err != nil {
		b.t.Fatalf("revoke %x: %v", lease, err)
	}
}

// compact forgets everything before a revision.
func (b backend) compact(revision int64) {
	b.t.Helper()
	ctx, cancel := b.deadline()
	defer cancel()
	if _, err := b.client.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
		b.t.Fatalf("compact at %d: %v", revision, err)
	}
}
