package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

const rightConfigLimit = 10 * time.Second

// Rows 14, 15, 13: the cluster comes back under its old ids, with another
// history.

func TestWiped_FewerRevisions_Row14_Row15(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "wiped, fewer revisions", wipe: true})
}

func TestWiped_MoreRevisions_Row14_Row15(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "wiped, more revisions", wipe: true, more: true})
}

func TestRestored_FewerRevisions_Row14(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "older copy restored, fewer revisions"})
}

func TestRestored_MoreRevisions_Row14(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "older copy restored, more revisions", more: true})
}

func TestWipedOn36_FewerRevisions_Row14_Row15(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "wiped, fewer revisions (3.6)", version: etcdtest.V36, wipe: true})
}

func TestWipedOn36_MoreRevisions_Row14_Row15(t *testing.T) {
	t.Parallel()
	rebuilt(t, rebuild{clause: "wiped, more revisions (3.6)", version: etcdtest.V36, wipe: true, more: true})
}

// rebuild says how a cluster lost its history.
type rebuild struct {
	clause  string
	version string
	wipe    bool // everything, else a copy of an hour ago, as it were
	more    bool // and it was written past the old revision before the services see it
}

func rebuilt(t *testing.T, r rebuild) {
	const oldItems = 6
	server := etcdtest.Start(t, etcdtest.Options{Version: r.version})
	early := backend{t, server.Client(t)}
	early.put(maxItemsKey, "6")
	early.put(pricingKey, `{"currency": "EUR", "percent": 18}`)
	server.Kill()
	copied := server.BackupData()
	server.Restart()

	proxy := faultproxy.New(t, server.Addr())
	c := startCouple(t, server, "http://"+proxy.Addr())
	for range 50 { // what the copy lacks
		c.backend.put(configPrefix+"other", "x")
	}
	dogs := []*watchdog{guard(t, c.orders, firstItems, oldItems, 8), guard(t, c.inventory, firstItems, oldItems, 8)}
	_, lastRevision := c.backend.get(maxItemsKey)

	if r.more {
		proxy.Refuse()
	}
	server.Kill()
	died := time.Now()
	eventually(t, "the loss is noticed", func() bool { return away(c.orders)() && away(c.inventory)() })
	if r.wipe {
		server.Wipe()
	} else {
		server.RestoreData(copied)
	}
	c.orders.mustBeAway(t, died, oldestLive)
	served := c.serves()
	if r.more {
		for c.backend.put("/elsewhere", "x") <= lastRevision+20 {
		}
		proxy.Pass()
		served = time.Now()
	} else if _, now := c.backend.get(maxItemsKey); now >= lastRevision {
		t.Fatalf("%s: revision %d; want fewer than the %d before", r.clause, now, lastRevision)
	}

	present := func(n *node) func() bool {
		return func() bool { kv, _ := c.backend.get(n.key()); return kv != nil && n.registered() }
	}
	goals := []goal{
		{"orders is registered", backLimit, present(c.orders)},
		{"inventory (no spread) is registered", backLimit, present(c.inventory)},
		{"discovery of orders is live", backLimit, c.orders.discoveryLive},
		{"discovery of inventory (no spread) is live", backLimit, c.inventory.discoveryLive},
	}
	if r.wipe {
		measure(t, r.clause, served, append(goals,
			goal{"orders holds its config", backLimit, func() bool { return heldInSync(c.orders) }},
			goal{"inventory (no spread) holds its config", backLimit, func() bool { return heldInSync(c.inventory) }})...)
		for _, n := range c.nodes() {
			if v := n.limits.Status(); v.Level != core.Memory || !v.Held || n.items() != firstItems {
				t.Errorf("%s: limits are %d at %v, held %v; want %d, memory, true", r.clause, n.items(), v.Level, v.Held, firstItems)
			}
		}
		again := time.Now()
		c.backend.put(maxItemsKey, "8")
		c.backend.put(pricingKey, `{"currency": "EUR", "percent": 20}`)
		c.backend.put(configPrefix+"other", "x")
		measure(t, r.clause, again,
			goal{"orders has the right config, after it was put again", rightConfigLimit, rightly(c.orders, 8, 20)},
			goal{"inventory (no spread) has the right config, after it was put again", rightConfigLimit, rightly(c.inventory, 8, 20)})
	} else {
		measure(t, r.clause, served, append(goals,
			goal{"orders has the right config", rightConfigLimit, rightly(c.orders, oldItems, 18)},
			goal{"inventory (no spread) has the right config", rightConfigLimit, rightly(c.inventory, oldItems, 18)})...)
		c.reloads(r.clause, "8", 8)
	}
	for i, n := range c.nodes() {
		eventually(t, "all is well and nothing is held", func() bool { return n.well() && len(n.peers.Status().Held) == 0 })
		n.mustBeWell(t)
		dogs[i].end(t)
	}
}

// heldInSync says that the backend answered and what it lacks is held.
func heldInSync(n *node) bool {
	s := n.svc.Config().Status()
	return s.Held > 0 && s.Err == nil && s.Level == core.Memory
}

// rightly says that a node serves these values, as live ones.
func rightly(n *node, items, percent int) func() bool {
	return func() bool {
		return n.items() == items && n.pricing.Get().Percent == percent && n.configLive()
	}
}
