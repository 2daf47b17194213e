package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const backLimit = 3 * time.Second // config, discovery and registration, once the backend serves

func TestKilled30s_SameData_TheKeyNeverLeaves_Row4_Row25(t *testing.T) {
	long(t)
	t.Parallel()
	killed(t, "killed 30 s", etcdtest.V37, 30*time.Second)
}

func TestKilled150s_SameData_TheKeyNeverLeaves_Row4_Row25(t *testing.T) {
	long(t)
	t.Parallel()
	killed(t, "killed 150 s", etcdtest.V37, 150*time.Second)
}

func TestKilled9sOn36_SameData_TheKeyNeverLeaves_Row4_Row25(t *testing.T) {
	t.Parallel()
	killed(t, "killed 9 s (3.6)", etcdtest.V36, 9*time.Second)
}

// killed is a server that dies and comes back with its data: what the services
// serve meanwhile, what they say about it, and how soon all is as before. The
// lease outlived the outage, and is renewed before it ends.
func killed(t *testing.T, clause, version string, lasts time.Duration) {
	c := startCouple(t, etcdtest.Start(t, etcdtest.Options{Version: version}))
	dogs := []*watchdog{guard(t, c.orders, firstItems), guard(t, c.inventory, firstItems)}
	before := c.backend.mustGet(c.orders.key())

	c.etcd.Kill()
	died := time.Now()
	measure(t, clause, died,
		goal{"config notices the loss", time.Second, func() bool { return c.orders.svc.Config().Level() == core.Memory }},
		goal{"discovery notices the loss", time.Second, func() bool { return c.orders.peers.Status().Level == core.Memory }})
	c.orders.mustBeAway(t, died, oldestLive)
	outage(t, died, lasts)
	for _, n := range c.nodes() {
		n.mustBeAway(t, died, oldestLive)
	}

	served := c.serves()
	now, revision := c.backend.get(c.orders.key())
	if now == nil || now.Lease != before.Lease || now.CreateRevision != before.CreateRevision {
		t.Fatalf("%s: etcd serves %v; want the key as it was, on lease %x", clause, now, before.Lease)
	}
	diary := c.backend.watchKey(c.orders.key(), revision)
	left := c.backend.timeToLive(before.Lease)
	renewed := func() bool {
		was := left
		left = c.backend.timeToLive(before.Lease)
		return left > was
	}
	measure(t, clause, served,
		goal{"config of orders is live", backLimit, c.orders.configLive},
		goal{"discovery of orders is live", backLimit, c.orders.discoveryLive},
		goal{"orders is registered", backLimit, c.orders.registered},
		goal{"config of inventory (no spread) is live", backLimit, c.inventory.configLive},
		goal{"discovery of inventory (no spread) is live", backLimit, c.inventory.discoveryLive},
		goal{"inventory (no spread) is registered", backLimit, c.inventory.registered})
	measure(t, clause, served, goal{"the surviving lease is seen renewed", ttl, renewed})
	for _, d := range dogs {
		d.allow(8)
	}
	c.reloads(clause, "8", 8)
	outage(t, served, 2*ttl)
	if puts, deletions := diary.count(); puts != 0 || deletions != 0 {
		t.Errorf("%s: the key was put %d times and deleted %d times after etcd served: %v", clause, puts, deletions, diary)
	}
	if after := c.backend.mustGet(c.orders.key()); after.Lease != before.Lease || after.ModRevision != before.ModRevision {
		t.Errorf("%s: the key is %v; want it as it was: %v", clause, after, before)
	}
	for i, n := range c.nodes() {
		n.mustBeWell(t)
		dogs[i].end(t)
	}
}
