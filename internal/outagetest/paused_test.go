package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// A stopped server answers nothing, and breaks no connection either. When it
// goes on, the leases that ended meanwhile are gone at once.
func TestPaused30s_AllIsBack_Row5_Row25(t *testing.T) {
	long(t)
	t.Parallel()
	const clause = "SIGSTOP 30 s"
	c := startCouple(t, etcdtest.Start(t, etcdtest.Options{}))
	dogs := []*watchdog{guard(t, c.orders, firstItems), guard(t, c.inventory, firstItems)}
	for _, d := range dogs {
		d.mayBeLonely() // the deletion of an ended lease is an event on a watch in sync
	}

	c.etcd.Pause()
	stopped := time.Now()
	measure(t, clause, stopped,
		goal{"config notices", oldestLive, func() bool { return c.orders.svc.Config().Level() == core.Memory }},
		goal{"discovery notices", oldestLive, func() bool { return c.orders.peers.Status().Level == core.Memory }})
	outage(t, stopped, 30*time.Second)
	for _, n := range c.nodes() {
		n.mustBeAway(t, stopped, oldestLive)
	}

	c.etcd.Resume()
	resumed := time.Now()
	const fast, spread = time.Second, 3 * time.Second
	known := func(n, of *node) func() bool {
		// What the test's own client reads, so that "registered" is what peers see.
		return func() bool { kv, _ := c.backend.get(of.key()); return n.registered() && kv != nil }
	}
	measure(t, clause, resumed,
		goal{"config is live, spread off", fast, c.inventory.configLive},
		goal{"discovery is live, spread off", fast, func() bool { return c.inventory.discoveryLive() && len(c.inventory.peers.Instances()) == 1 }},
		goal{"registered, spread off", fast, known(c.inventory, c.inventory)},
		goal{"config is live, default spread", spread, c.orders.configLive},
		goal{"discovery is live, default spread", spread, func() bool { return c.orders.discoveryLive() && len(c.orders.peers.Instances()) == 1 }},
		goal{"registered, default spread", spread, known(c.orders, c.orders)})
	for _, d := range dogs {
		d.allow(8)
	}
	c.reloads(clause, "8", 8)
	for i, n := range c.nodes() {
		eventually(t, "all is well and nothing is held", func() bool { return n.well() && len(n.peers.Status().Held) == 0 })
		n.mustBeWell(t)
		dogs[i].end(t)
	}
}
