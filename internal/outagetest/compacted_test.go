package outagetest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// What happened while a service was cut off is forgotten by the server: a watch
// can't continue, a list tells, and after that there is nothing more to ask.
func TestCompactedWhileCutOff_RightThenIdle_Row12_Row13(t *testing.T) {
	for _, version := range etcdtest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			clause := "compacted while cut off (" + version + ")"
			server := etcdtest.Start(t, etcdtest.Options{Version: version})
			proxy := faultproxy.New(t, server.Addr())
			seed := backend{t, server.Client(t)}
			for i := range 4 {
				seed.put(fmt.Sprintf("%sghost/%d", configPrefix, i), "x")
			}
			ghost := "/services/inventory/ghost"
			c := startCouple(t, server, "http://"+proxy.Addr())
			c.backend.put(ghost, `{"id":"ghost","service":"inventory","endpoints":["http://127.0.0.1:9"]}`)
			eventually(t, "the ghost is seen", func() bool { return len(c.orders.peers.Instances()) == 2 })
			dogs := []*watchdog{guard(t, c.orders, firstItems, 9), guard(t, c.inventory, firstItems, 9)}
			keys := c.orders.svc.Config().Status().Keys

			proxy.Refuse()
			cut := time.Now()
			eventually(t, "the cut is noticed", func() bool { return away(c.orders)() && away(c.inventory)() })
			c.orders.mustBeAway(t, cut, oldestLive)
			for i := range 50 {
				c.backend.put(maxItemsKey, strconv.Itoa(1000+i))
			}
			c.backend.put(maxItemsKey, "9")
			c.backend.remove(configPrefix + "ghost/0")
			c.backend.remove(ghost)
			_, newest := c.backend.get(maxItemsKey)
			c.backend.compact(newest)
			proxy.Pass()
			served := time.Now()
			right := func(n *node) func() bool {
				return func() bool { return n.items() == 9 && n.configLive() && n.svc.Config().Status().Keys == keys-1 }
			}
			measure(t, clause, served,
				goal{"config of orders is right", backLimit, right(c.orders)},
				goal{"config of inventory (no spread) is right", backLimit, right(c.inventory)},
				goal{"discovery of orders is live", backLimit, c.orders.discoveryLive},
				goal{"discovery of inventory (no spread) is live", backLimit, c.inventory.discoveryLive})
			// The ghost in a list after trouble is not believed gone at once.
			if s := c.orders.peers.Status(); len(s.Held) != 1 || s.Held[0].ID != "ghost" || s.Instances != 2 {
				t.Errorf("%d instances, held %v; want 2, the ghost held", s.Instances, s.Held)
			}
			eventually(t, "all is well", func() bool { return c.orders.well() && c.inventory.well() })
			idle(t, clause, c)
			for i, n := range c.nodes() {
				if level := n.svc.Status().Level; level != core.Live {
					t.Errorf("%s is at %v after all", n.opts.name, level)
				}
				dogs[i].end(t)
			}
		})
	}
}

// idle shows what two services ask of a server when nothing happens.
func idle(t *testing.T, clause string, c *couple) {
	t.Helper()
	const window = 15 * time.Second
	// Per service: a linearizable read per heartbeat of at least 3.6 s, a renewal
	// per beat of at least TTL*0.3; and one of each for where the window begins.
	services := int64(len(c.nodes()))
	bound := map[string]int64{
		"KV/Range":             services * (int64(window/(3600*time.Millisecond)) + 1),
		"Lease/LeaseKeepAlive": services * (int64(window/(ttl*3/10)) + 1),
	}
	lists := c.orders.svc.Config().Status().Lists
	before, began := c.etcd.Metrics(), time.Now()
	outage(t, began, window)
	after, minutes := c.etcd.Metrics(), time.Since(began).Minutes()
	was, messages := before.RPCs(), before.Received()["Watch/Watch"]
	for method, n := range after.RPCs() {
		n -= was[method]
		if n == 0 {
			continue
		}
		t.Logf("measured: %s: idle, %s %.0f/min of %d services (limit %.0f/min)", clause, method, float64(n)/minutes, services, float64(bound[method])/minutes)
		if n > bound[method] {
			t.Errorf("idle for %v: %s was called %d times; at most %d is idle", window, method, n, bound[method])
		}
	}
	messages = after.Received()["Watch/Watch"] - messages
	most := bound["KV/Range"]
	t.Logf("measured: %s: idle, messages on watch streams %.0f/min of %d services (limit %.0f/min)", clause, float64(messages)/minutes, services, float64(most)/minutes)
	if messages > most {
		t.Errorf("idle for %v: %d messages on watch streams; at most %d is idle", window, messages, most)
	}
	if now := c.orders.svc.Config().Status().Lists; now != lists {
		t.Errorf("idle for %v: %d lists more", window, now-lists)
	}
}
