package etcd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// fill writes n keys below the prefix.
func fill(tb testing.TB, admin *clientv3.Client, prefix string, n int, value func(i int) string) {
	tb.Helper()
	for i := 0; i < n; {
		var ops []clientv3.Op
		for ; i < n && len(ops) < 128; i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s%06d", prefix, i), value(i)))
		}
		if _, err := admin.Txn(ctxOf(tb)).Then(ops...).Commit(); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkLoad compares a paged load of 100,000 keys of 100 bytes at one revision
// with one plain Get of the same; the ceiling is 1.3 times.
func BenchmarkLoad(b *testing.B) {
	server := etcdtest.Start(b, etcdtest.Options{})
	admin := server.Client(b)
	fill(b, admin, "/config/", 100_000, func(int) string { return strings.Repeat("x", 100) })
	source := dial(b, etcd.DialOptions{Endpoints: server.Endpoints()}).ConfigSource("/config/", etcd.ConfigOptions{})
	b.Run("Get", func(b *testing.B) {
		for b.Loop() {
			r, err := admin.Get(b.Context(), "/config/", clientv3.WithPrefix())
			if err != nil || len(r.Kvs) != 100_000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			s, err := source.Load(b.Context())
			if err != nil || len(s.Items) != 100_000 {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWatch_OneOfTenThousand measures what one change of one instance costs a
// process that watches ten thousand; bytes are those that come from etcd.
func BenchmarkWatch_OneOfTenThousand(b *testing.B) {
	server := etcdtest.Start(b, etcdtest.Options{})
	admin := server.Client(b)
	// What the engines register: an instance moves to another port.
	entry := func(port int) string {
		return fmt.Sprintf(`{"endpoints":["http://10.0.0.1:%d"],"owner":"1pd5k2c8m0q4h7vr"}`, port)
	}
	fill(b, admin, "/services/orders/", 10_000, func(int) string { return entry(8000) })
	proxy := faultproxy.New(b, server.Addr())
	registry := dial(b, etcd.DialOptions{Endpoints: []string{"http://" + proxy.Addr()}, Heartbeat: time.Minute, HeartbeatTimeout: time.Minute}).Registry(etcd.RegistryOptions{})
	from, err := registry.Discover(b.Context(), "orders")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	changes := make(chan core.Update[core.Instance], 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u, err := range registry.Watch(ctx, "orders", from.Revision) {
			if err == nil {
				changes <- u
			}
		}
	}()
	change := func(port int) {
		if _, err := admin.Put(ctx, "/services/orders/005000", entry(port)); err != nil {
			b.Fatal(err)
		}
		if u := <-changes; u.Put["005000"].Endpoints[0] != fmt.Sprintf("http://10.0.0.1:%d", port) {
			b.Fatalf("got %+v", u)
		}
	}
	change(8001)
	before, busy, n := proxy.DownBytes(), cpuTime(), 0
	for b.Loop() {
		change(8002 + n%1000)
		n++
	}
	bytes, cost := proxy.DownBytes()-before, cpuTime()-busy
	stop()
	<-done
	// The test's own put and proxy are no cost of the watch.
	busy = cpuTime()
	for i := range n {
		if _, err := admin.Put(b.Context(), "/services/orders/005000", entry(8000+i%1000)); err != nil {
			b.Fatal(err)
		}
	}
	cost -= cpuTime() - busy
	b.ReportMetric(float64(bytes)/float64(n), "bytes/change")
	b.ReportMetric(float64(cost.Microseconds())/float64(n), "cpu-us/change")
}
