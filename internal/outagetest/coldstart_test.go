package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

const coldStartLimit = 300 * time.Millisecond

// A service that starts while etcd is dead serves from disk at once, says so, and
// is live soon after etcd is back.
func TestStartedWithEtcdDead_ServesFromDisk_Row1(t *testing.T) {
	coldStart(t, "started with etcd dead", func(t *testing.T, server *etcdtest.Server) (string, func()) {
		server.Kill()
		return server.Endpoint(), server.Restart
	})
}

// The same, where nothing answers and nothing refuses either.
func TestStartedWithEtcdSilent_ServesFromDisk_Row1_Row5(t *testing.T) {
	coldStart(t, "started with etcd silent", func(t *testing.T, server *etcdtest.Server) (string, func()) {
		proxy := faultproxy.New(t, server.Addr())
		proxy.Blackhole()
		return "http://" + proxy.Addr(), proxy.Pass
	})
}

func coldStart(t *testing.T, clause string, takeAway func(*testing.T, *etcdtest.Server) (endpoint string, giveBack func())) {
	server := etcdtest.Start(t, etcdtest.Options{})
	c := startCouple(t, server)
	dir := c.orders.opts.dir
	c.orders.close()
	c.inventory.close()
	saved := time.Now()

	endpoint, giveBack := takeAway(t, server)
	n := startNode(t, nodeOptions{name: "orders", id: "orders-1", peer: "inventory", endpoints: []string{endpoint}, dir: dir})
	if n.items() != firstItems || n.pricing.Get().Percent != 19 {
		t.Errorf("Start and Bind returned with limits %+v, pricing %+v; want those of the cache", n.limits.Get(), n.pricing.Get())
	}
	measure(t, clause, n.began,
		goal{"config is served from disk", coldStartLimit, func() bool { return n.limits.Status().Level == core.Cached && n.items() == firstItems }},
		goal{"a peer is picked from disk", coldStartLimit, func() bool {
			p, err := n.peers.Pick(t.Context())
			return err == nil && p.Instance().ID == "inventory-1"
		}})
	report(t, clause, "Start returns", n.start, coldStartLimit)
	s := n.svc.Status()
	if s.Level != core.Cached || !s.Degraded || s.Config.Level != core.Cached || s.Endpoints[0].Level != core.Cached {
		t.Errorf("%s; want all cached and degraded", n.state())
	}
	oldest := time.Since(saved) + time.Minute
	if v := n.limits.Status(); v.Age <= 0 || v.Age > oldest || v.Revision == "" {
		t.Errorf("limits are %v old at revision %q; want the time since they were saved", v.Age, v.Revision)
	}
	if e := n.peers.Status(); e.Age <= 0 || e.Age > oldest {
		t.Errorf("endpoints are %v old; want the time since they were saved", e.Age)
	}
	eventually(t, "the failure is told", func() bool { return n.svc.Config().Status().Err != nil && n.peers.Status().Err != nil })
	if n.registered() {
		t.Error("the announcement says registered")
	}

	giveBack()
	served := time.Now()
	measure(t, clause, served,
		goal{"config is live, once etcd serves", backLimit, func() bool { return n.configLive() && n.limits.Status().Level == core.Live }},
		goal{"discovery is live, once etcd serves", backLimit, n.discoveryLive},
		goal{"registered, once etcd serves", backLimit, n.registered})
}

// With neither etcd nor a cache the values in code are served, within the budget.
func TestStartedWithEtcdDeadAndNoCache_TheDefaults_Row2(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	server.Kill()
	n := startNode(t, nodeOptions{name: "orders", peer: "inventory", endpoints: server.Endpoints()})
	report(t, "started with etcd dead and no cache", "Start returns", n.start, 2500*time.Millisecond)
	if v := n.limits.Status(); n.items() != defaultItems || v.Level != core.Default {
		t.Errorf("limits are %d at %v; want the default", n.items(), v.Level)
	}
	if e := n.peers.Status(); e.Level != core.Empty {
		t.Errorf("endpoints are at %v; want empty", e.Level)
	}
	if s := n.svc.Status(); !s.Degraded || s.Level != core.Empty {
		t.Errorf("level %v, degraded %v; want empty, true", s.Level, s.Degraded)
	}
}

// A cache's folder that comes from somewhere else is not served.
func TestStagingsCacheGivenToProduction_IsNotServed(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	b := backend{t, server.Client(t)}
	const staging, services = "/staging/config/", "/staging/services/"
	b.put(staging+"limits/max_items", "7")
	b.put(services+"inventory/inventory-1", `{"id":"inventory-1","service":"inventory","endpoints":["http://127.0.0.1:9"]}`)
	dir := t.TempDir()
	from := nodeOptions{name: "orders", peer: "inventory", endpoints: server.Endpoints(), dir: dir, prefix: staging, registry: services, scope: "staging"}
	n := startNode(t, from)
	eventually(t, "staging is well", func() bool { return n.well() && n.items() == firstItems })
	n.close()
	server.Kill()

	same := startNode(t, from)
	if same.items() != firstItems || same.limits.Status().Level != core.Cached {
		t.Fatalf("staging starts with %d at %v; want what it cached", same.items(), same.limits.Status().Level)
	}
	eventually(t, "staging has its cached peers", func() bool { return len(same.peers.Instances()) == 1 })
	same.close()

	for name, change := range map[string]func(*nodeOptions){
		"another prefix": func(o *nodeOptions) { o.prefix, o.registry = "/production/config/", "/production/services/" },
		"another scope":  func(o *nodeOptions) { o.scope = "production" },
	} {
		t.Run(name, func(t *testing.T) {
			to := from
			change(&to)
			n := startNode(t, to)
			if v := n.limits.Status(); n.items() != defaultItems || v.Level != core.Default {
				t.Errorf("production serves %d at %v; want the default", n.items(), v.Level)
			}
			// The reason is given only after the cache was looked at too.
			eventually(t, "production looked for peers", func() bool { return n.peers.Status().Err != nil })
			if e := n.peers.Status(); e.Level != core.Empty || e.Instances != 0 {
				t.Errorf("production finds %d peers at %v; want none", e.Instances, e.Level)
			}
			n.close()
		})
	}
}
