package etcd

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// lateKV keeps transactions back until release, as a cluster without quorum does:
// their callers time out, and they are applied all the same.
type lateKV struct {
	pb.KVClient

	mu   sync.Mutex
	hold bool
	held []*pb.TxnRequest
}

func (k *lateKV) Txn(ctx context.Context, r *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	k.mu.Lock()
	if !k.hold {
		k.mu.Unlock()
		return k.KVClient.Txn(ctx, r, o...)
	}
	k.held = append(k.held, r)
	k.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

func (k *lateKV) holding(hold bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hold = hold
}

// release applies what was held, and returns the errors of that.
func (k *lateKV) release(ctx context.Context) (errs []error) {
	for _, r := range k.held {
		_, err := k.KVClient.Txn(ctx, r)
		errs = append(errs, err)
	}
	return errs
}

func newReg(id string) core.Registration {
	return core.Registration{Instance: core.Instance{ID: id, Service: "orders"}, Owner: "o", TTL: 10 * time.Second}
}

func TestDeregister_KeepsLateWritesOutAndOthersIn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	client, err := Dial(DialOptions{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	late := &lateKV{KVClient: client.kv}
	client.kv = late
	registry := client.Registry(RegistryOptions{})
	for _, id := range []string{"b", "c"} {
		if err := registry.Register(ctx, newReg(id)); err != nil {
			t.Fatal(err)
		}
	}
	events := admin.Watch(ctx, "/services/orders/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events

	late.holding(true)
	short, cancelShort := context.WithTimeout(ctx, 200*time.Millisecond)
	err = registry.Register(short, newReg("a"))
	cancelShort()
	if !errors.Is(err, core.ErrUnavailable) {
		t.Fatalf("a write without an answer: got %v", err)
	}
	late.holding(false)
	// The others go on meanwhile.
	var beats sync.WaitGroup
	for _, id := range []string{"b", "c"} {
		beats.Go(func() {
			if err := registry.Register(ctx, newReg(id)); err != nil {
				t.Error(err)
			}
		})
	}
	if err := registry.Deregister(ctx, newReg("a")); err != nil {
		t.Fatal(err)
	}
	beats.Wait()
	errs := late.release(ctx)
	if len(errs) != 1 || errs[0] == nil {
		t.Errorf("the late write was applied: %v", errs)
	}
	r, err := admin.Get(ctx, "/services/orders/", clientv3.WithPrefix())
	if err != nil || len(r.Kvs) != 2 {
		t.Errorf("got %d instances, %v; want b and c", len(r.Kvs), err)
	}
	leases, err := admin.Leases(ctx)
	if err != nil || len(leases.Leases) != 1 {
		t.Errorf("got %d leases, %v; want one", len(leases.Leases), err)
	}
	for _, id := range []string{"b", "c"} {
		if err := registry.Register(ctx, newReg(id)); err != nil {
			t.Error(err)
		}
	}
	for drained := false; !drained; {
		select {
		case r := <-events:
			for _, e := range r.Events {
				if e.Type == clientv3.EventTypeDelete {
					t.Errorf("%s was gone for a moment", e.Kv.Key)
				}
			}
		default:
			drained = true
		}
	}
}

func TestDeregister_WithoutQuorumSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster := etcdtest.StartCluster(t, 3, etcdtest.Options{})
	client, err := Dial(DialOptions{Endpoints: []string{cluster.Members[0].Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	registry := client.Registry(RegistryOptions{})
	if err := registry.Register(ctx, newReg("b")); err != nil {
		t.Fatal(err)
	}
	// The quorum is lost after the renewal and before the write.
	client.kv = &hookedKV{KVClient: client.kv, before: func() {
		cluster.Members[1].Pause()
		cluster.Members[2].Pause()
		// A signal takes a moment to stop a process on another core.
		for err := error(nil); err == nil && ctx.Err() == nil; {
			probe, cancelProbe := context.WithTimeout(ctx, 200*time.Millisecond)
			_, err = client.fresh(probe, "/services/")
			cancelProbe()
		}
	}}
	short, cancelShort := context.WithTimeout(ctx, 3*time.Second)
	err = registry.Register(short, newReg("a"))
	cancelShort()
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("register: got %v", err)
	}
	short, cancelShort = context.WithTimeout(ctx, time.Second)
	err = registry.Deregister(short, newReg("a"))
	cancelShort()
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("deregister without quorum: got %v", err)
	}
	cluster.Members[1].Resume()
	cluster.Members[2].Resume()
	for {
		short, cancelShort = context.WithTimeout(ctx, 3*time.Second)
		err = registry.Deregister(short, newReg("a"))
		cancelShort()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := registry.Discover(ctx, "orders")
	if _, there := snapshot.Items["a"]; there || err != nil {
		t.Errorf("after Deregister: there %v, %v", there, err)
	}
}

// hookedKV calls before, once, ahead of the first transaction.
type hookedKV struct {
	pb.KVClient
	before func()
	once   sync.Once
}

func (k *hookedKV) Txn(ctx context.Context, r *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	k.once.Do(k.before)
	return k.KVClient.Txn(ctx, r, o...)
}
