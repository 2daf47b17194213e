// Package conformance connects the kits of core/drivertest to the driver and a
// real etcd server. Each version of the server has a test package of its own, so
// that they run side by side: within one process the cases of a kit may not.
package conformance

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

const heartbeat = time.Second

// Guard is what a test puts around the driver. A nil func puts nothing.
type Guard struct {
	Registry func(core.Registry) core.Registry
	Config   func(core.ConfigSource) core.ConfigSource
}

func (g Guard) registry(r core.Registry) core.Registry {
	if g.Registry == nil {
		return r
	}
	return g.Registry(r)
}

func (g Guard) config(s core.ConfigSource) core.ConfigSource {
	if g.Config == nil {
		return s
	}
	return g.Config(s)
}

// Run runs both kits against a server of the given version, through a guard.
func Run(t *testing.T, version string, guard Guard) {
	b := newBench(t, version)
	b.guard = guard
	t.Run("Registry", func(t *testing.T) {
		drivertest.TestRegistry(t, drivertest.RegistryHarness{
			Open: b.registry, Heartbeat: heartbeat, MinTTL: 2 * time.Second, Foreign: foreign,
		})
	})
	t.Run("ConfigSource", func(t *testing.T) {
		drivertest.TestConfigSource(t, drivertest.ConfigHarness{
			Open: b.config, Heartbeat: heartbeat, Many: 25_000, Foreign: foreign,
		})
	})
}

// foreign names the goroutines of proxies and of the test's own client.
func foreign(stack string) bool {
	return strings.Contains(stack, "faultproxy") || strings.Contains(stack, "(*valve)")
}

// bench is one server that the areas of a kit share, each behind a proxy.
type bench struct {
	server *etcdtest.Server
	admin  *clientv3.Client
	areas  atomic.Int64
	guard  Guard
}

func newBench(t *testing.T, version string) *bench {
	b := &bench{server: etcdtest.Start(t, etcdtest.Options{Version: version})}
	b.connect(t)
	return b
}

// connect makes the client that acts from outside. It may also act while
// authentication is enabled.
func (b *bench) connect(t testing.TB) {
	var err error
	b.admin, err = newAdmin(b.server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.admin.Close() })
	b.addRoot(t)
}

func (b *bench) addRoot(t testing.TB) {
	t.Helper()
	ctx := ctxOf(t)
	if _, err := b.admin.UserAdd(ctx, "root", "secret of root"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.admin.UserGrantRole(ctx, "root", "root"); err != nil {
		t.Fatal(err)
	}
}

func ctxOf(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (b *bench) faults(proxy *faultproxy.Proxy) drivertest.Faults {
	denied := false
	return drivertest.Faults{
		Cut:     func(testing.TB) { proxy.Refuse() },
		Silence: func(testing.TB) { proxy.Blackhole() },
		Deny: func(t testing.TB) {
			if _, err := b.admin.AuthEnable(ctxOf(t)); err != nil {
				t.Fatal(err)
			}
			denied = true
			t.Cleanup(func() {
				if denied {
					b.allow(t)
				}
			})
		},
		Heal: func(t testing.TB) {
			proxy.Pass()
			if denied {
				b.allow(t)
				denied = false
			}
		},
		Compact: func(t testing.TB) {
			ctx := ctxOf(t)
			r, err := b.admin.Put(ctx, "/elsewhere", "")
			if err == nil {
				_, err = b.admin.Compact(ctx, r.Header.Revision, clientv3.WithCompactPhysical())
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		Wipe: func(t testing.TB, past core.Revision) {
			b.server.Kill()
			b.server.Wipe()
			b.server.Restart()
			b.addRoot(t)
			want, _ := strconv.ParseInt(string(past), 10, 64)
			for ctx, at := ctxOf(t), int64(0); at <= want; {
				r, err := b.admin.Put(ctx, "/elsewhere", "")
				if err != nil {
					t.Fatal(err)
				}
				at = r.Header.Revision
			}
		},
		Requests: func(testing.TB) int64 {
			n := int64(0)
			for _, received := range b.server.Metrics().Received() {
				n += received
			}
			return n
		},
	}
}

// allow disables authentication by a client of its own, since a token that the
// admin has may be of a cluster that was wiped.
func (b *bench) allow(t testing.TB) {
	root, err := newAdmin(b.server)
	if err == nil {
		_, err = root.AuthDisable(ctxOf(t))
		_ = root.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

func newAdmin(server *etcdtest.Server) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: server.Endpoints(), Username: "root", Password: "secret of root",
		DialTimeout: 20 * time.Second, Logger: zap.NewNop(),
	})
}

func (b *bench) dial(t testing.TB, addr string) *etcd.Client {
	t.Helper()
	c, err := etcd.Dial(etcd.DialOptions{
		Endpoints: []string{"http://" + addr}, Heartbeat: heartbeat, HeartbeatTimeout: heartbeat * 7 / 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) config(t testing.TB) drivertest.ConfigArea {
	proxy := faultproxy.New(t, b.server.Addr())
	prefix := fmt.Sprintf("/config/%d/foo/", b.areas.Add(1))
	return drivertest.ConfigArea{
		Client: func(t testing.TB) (core.ConfigSource, func()) {
			c := b.dial(t, proxy.Addr())
			return b.guard.config(c.ConfigSource(prefix, etcd.ConfigOptions{})), func() { _ = c.Close() }
		},
		Put: func(t testing.TB, entries map[string][]byte) {
			var ops []clientv3.Op
			for k, v := range entries {
				ops = append(ops, clientv3.OpPut(prefix+k, string(v)))
			}
			b.txns(t, ops)
		},
		Delete: func(t testing.TB, keys ...string) {
			var ops []clientv3.Op
			for _, k := range keys {
				ops = append(ops, clientv3.OpDelete(prefix+k))
			}
			b.txns(t, ops)
		},
		Txn: func(t testing.TB, put map[string][]byte, del ...string) {
			var ops []clientv3.Op
			for k, v := range put {
				ops = append(ops, clientv3.OpPut(prefix+k, string(v)))
			}
			for _, k := range del {
				ops = append(ops, clientv3.OpDelete(prefix+k))
			}
			b.txn(t, ops)
		},
		PutBeside: func(t testing.TB, tail string, value []byte) {
			b.txn(t, []clientv3.Op{clientv3.OpPut(strings.TrimSuffix(prefix, "/")+tail, string(value))})
		},
		Faults: b.faults(proxy),
	}
}

// txns applies operations in steps that etcd can take.
func (b *bench) txns(t testing.TB, ops []clientv3.Op) {
	t.Helper()
	for len(ops) > 0 {
		n := 0
		for size := 0; n < len(ops) && n < 100 && (n == 0 || size < 512<<10); n++ {
			size += len(ops[n].ValueBytes())
		}
		b.txn(t, ops[:n])
		ops = ops[n:]
	}
}

func (b *bench) txn(t testing.TB, ops []clientv3.Op) {
	t.Helper()
	if _, err := b.admin.Txn(ctxOf(t)).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) registry(t testing.TB) drivertest.RegistryArea {
	proxy := faultproxy.New(t, b.server.Addr())
	tap := newValve(t, proxy.Addr())
	prefix := fmt.Sprintf("/services/%d/", b.areas.Add(1))
	// Nasty names are not used where entries are reached behind the driver's back.
	key := func(service, id string) string { return prefix + service + "/" + id }
	return drivertest.RegistryArea{
		Client: func(t testing.TB) (core.Registry, func()) {
			c := b.dial(t, tap.addr())
			return b.guard.registry(c.Registry(etcd.RegistryOptions{Prefix: prefix})), func() { _ = c.Close() }
		},
		PutMalformed: func(t testing.TB, service, id, mark string) {
			b.txn(t, []clientv3.Op{clientv3.OpPut(key(service, id), `{"id":"`+mark)})
		},
		Remove: func(t testing.TB, service, id string) {
			b.txn(t, []clientv3.Op{clientv3.OpDelete(key(service, id))})
		},
		Revoke: func(t testing.TB, service, id string) {
			ctx := ctxOf(t)
			r, err := b.admin.Get(ctx, key(service, id))
			if err != nil || len(r.Kvs) == 0 {
				t.Fatalf("%d entries, %v", len(r.Kvs), err)
			}
			if _, err := b.admin.Revoke(ctx, clientv3.LeaseID(r.Kvs[0].Lease)); err != nil {
				t.Fatal(err)
			}
		},
		Hold: func(testing.TB) drivertest.Held {
			tap.hold()
			return drivertest.Held{
				Pass:    func(testing.TB) { tap.pass() },
				Release: func(testing.TB) { tap.release() },
			}
		},
		Faults: b.faults(proxy),
	}
}
