package etcd_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const ordersA = "/services/orders/a"

func register(t testing.TB, r core.Registry, reg core.Registration) {
	t.Helper()
	if err := r.Register(ctxOf(t), reg); err != nil {
		t.Fatal(err)
	}
}

func stored(t testing.TB, c *clientv3.Client, key string) (value string, lease clientv3.LeaseID, modRevision int64) {
	t.Helper()
	r, err := c.Get(ctxOf(t), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Kvs) == 0 {
		return "", 0, 0
	}
	return string(r.Kvs[0].Value), clientv3.LeaseID(r.Kvs[0].Lease), r.Kvs[0].ModRevision
}

// awaitLoss runs AwaitLoss and waits until it is in sync.
func awaitLoss(t testing.TB, server *etcdtest.Server, r *etcd.Registry, reg core.Registration) <-chan error {
	t.Helper()
	lost := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	before := server.Metrics().Received()
	done := make(chan struct{})
	go func() { defer close(done); lost <- r.AwaitLoss(ctx, reg) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, 5*time.Second, "the watch of the own key", func() bool {
		now := server.Metrics().Received()
		return now["Watch/Watch"] > before["Watch/Watch"] && now["KV/Range"] > before["KV/Range"]
	})
	return lost
}

func TestAwaitLoss_NoticesWithinMilliseconds(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	other := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	reg := registration("a", "o1", 10*time.Second)
	register(t, other, registration("warm", "o1", 10*time.Second))
	for _, row := range []struct {
		what string
		want error
		do   func()
	}{
		{"lease revoked", core.ErrNotFound, func() {
			_, lease, _ := stored(t, admin, ordersA)
			if _, err := admin.Revoke(ctxOf(t), lease); err != nil {
				t.Fatal(err)
			}
		}},
		{"key deleted", core.ErrNotFound, func() {
			if _, err := admin.Delete(ctxOf(t), ordersA); err != nil {
				t.Fatal(err)
			}
		}},
		{"taken over", core.ErrConflict, func() { register(t, other, registration("a", "o2", 10*time.Second)) }},
	} {
		register(t, registry, reg)
		lost := awaitLoss(t, server, registry, reg)
		row.do()
		within(t, 100*time.Millisecond, row.what+", noticed after", func() {
			if err := <-lost; !errors.Is(err, row.want) {
				t.Errorf("%s: got %v", row.what, err)
			}
		})
	}
	if err := registry.Register(ctxOf(t), reg); !errors.Is(err, core.ErrConflict) {
		t.Errorf("the older owner registers again: got %v", err)
	}
	if err := registry.Deregister(ctxOf(t), reg); err != nil {
		t.Errorf("the older owner deregisters: got %v", err)
	}
	if value, _, _ := stored(t, admin, ordersA); !strings.Contains(value, `"owner":"o2"`) {
		t.Errorf("the newer owner's entry is %q", value)
	}
}

func TestRegister_BeatWritesNothingWhileTheWatchVouches(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints(), Heartbeat: time.Minute, HeartbeatTimeout: time.Minute}).Registry(etcd.RegistryOptions{})
	reg := registration("a", "o", 10*time.Second)
	register(t, registry, reg)
	_, lease, first := stored(t, admin, ordersA)
	register(t, registry, reg) // not watched: verified by one read
	awaitLoss(t, server, registry, reg)
	before := server.Metrics().RPCs()
	for range 10 {
		register(t, registry, reg)
	}
	after := server.Metrics().RPCs()
	for method, n := range after {
		if n -= before[method]; n > 0 && (method != "Lease/LeaseKeepAlive" || n > 10) {
			t.Errorf("10 beats cost %d of %s", n, method)
		}
	}
	if _, l, now := stored(t, admin, ordersA); now != first || l != lease {
		t.Errorf("beats rewrote the key: revision %d, then %d", first, now)
	}
	for series, n := range server.Metrics() {
		if strings.Contains(series, "grpc_server_handled_total") && strings.Contains(series, "LeaseKeepAlive") && strings.Contains(series, "Canceled") && n > 0 {
			t.Errorf("%v beats count as cancelled on the server", n)
		}
	}
}

func TestRegister_RepairsWhatWasDoneToTheKey(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	reg := registration("a", "o", 10*time.Second)
	register(t, registry, reg)
	want, lease, _ := stored(t, admin, ordersA)
	for what, do := range map[string]func(){
		"deleted":        func() { _, _ = admin.Delete(ctxOf(t), ordersA) },
		"overwritten":    func() { put(t, admin, ordersA, "garbage") },
		"without lease":  func() { put(t, admin, ordersA, want) },
		"by older owner": func() { put(t, admin, ordersA, strings.Replace(want, `"owner":"o"`, `"owner":"a"`, 1)) },
	} {
		do()
		register(t, registry, reg)
		if value, l, _ := stored(t, admin, ordersA); value != want || l != lease {
			t.Errorf("%s: got %q on lease %x", what, value, l)
		}
	}
}

func TestRegister_RoundsTheTTLUp(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()})
	registry := client.Registry(etcd.RegistryOptions{})
	for ttl, want := range map[time.Duration]int64{time.Millisecond: 2, 5500 * time.Millisecond: 6, 15 * time.Second: 15} {
		register(t, registry, registration("a", "o", ttl))
		_, lease, _ := stored(t, admin, ordersA)
		if r, err := admin.TimeToLive(ctxOf(t), lease); err != nil || r.GrantedTTL != want {
			t.Errorf("TTL %v: granted %+v, %v; want %d s", ttl, r, err, want)
		}
	}
}

func TestRegister_SharesOneLeaseAndTheLastOneEndsIt(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if err := registry.Register(ctxOf(t), registration(id, "o", 10*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	leases := func() int {
		r, err := admin.Leases(ctxOf(t))
		if err != nil {
			t.Fatal(err)
		}
		return len(r.Leases)
	}
	if n := leases(); n != 1 {
		t.Errorf("8 registrations hold %d leases", n)
	}
	for _, id := range ids {
		if n := leases(); n != 1 {
			t.Errorf("before %s leaves: %d leases", id, n)
		}
		if err := registry.Deregister(ctxOf(t), registration(id, "o", 10*time.Second)); err != nil {
			t.Error(err)
		}
		if value, _, _ := stored(t, admin, "/services/orders/"+id); value != "" {
			t.Errorf("%s is still there", id)
		}
	}
	if n := leases(); n != 0 {
		t.Errorf("%d leases are left", n)
	}
}

func TestRegister_OneSlowCallDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	server.Pause()
	slow, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- registry.Register(slow, registration("a", "o", 10*time.Second)) }()
	for _, id := range []string{"a", "b"} {
		within(t, time.Second, "Register of "+id+" with a deadline of 300 ms", func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := registry.Register(ctx, registration(id, "o", 10*time.Second)); !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUnavailable) {
		t.Errorf("a caller's own cancel: got %v", err)
	}
	server.Resume()
}

// A watcher sees every change of the key: there must be none.
func TestLease_OutlivesAnOutageLongerThanItsTTL(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	reg := registration("a", "o", 5*time.Second)
	register(t, registry, reg)
	_, lease, first := stored(t, admin, ordersA)
	server.Kill()
	down := time.NewTimer(9 * time.Second)
	defer down.Stop()
	<-down.C
	server.Restart()
	took := eventually(t, 5*time.Second, "a beat", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return registry.Register(ctx, reg) == nil
	})
	t.Logf("killed for 9 s with a TTL of 5 s: renewed %v after etcd served", took.Round(time.Millisecond))
	beat := time.NewTicker(1500 * time.Millisecond)
	defer beat.Stop()
	for range 5 {
		<-beat.C
		register(t, registry, reg)
		if _, l, revision := stored(t, admin, ordersA); l != lease || revision != first {
			t.Fatalf("the key flapped: lease %x, then %x; revision %d, then %d", lease, l, first, revision)
		}
	}
}
