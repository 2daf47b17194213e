package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// couple is one etcd server and two services that call each other: orders is
// looked at, inventory is its peer.
type couple struct {
	t         *testing.T
	etcd      *etcdtest.Server
	backend   backend
	orders    *node
	inventory *node
}

// items of the configuration that a couple begins with.
const firstItems = 7

// startCouple starts everything and returns when all is well. Both services
// connect to endpoints, or to the server itself if there are none.
func startCouple(t *testing.T, server *etcdtest.Server, endpoints ...string) *couple {
	t.Helper()
	return startSpread(t, 0, server, endpoints...)
}

// startSpread is startCouple with a RecoverySpread for orders; inventory always
// goes without one.
func startSpread(t *testing.T, spread time.Duration, server *etcdtest.Server, endpoints ...string) *couple {
	t.Helper()
	if len(endpoints) == 0 {
		endpoints = server.Endpoints()
	}
	c := &couple{t: t, etcd: server, backend: backend{t, server.Client(t)}}
	c.backend.put(maxItemsKey, "7")
	c.backend.put(pricingKey, `{"currency": "EUR", "percent": 19}`)
	c.orders = startNode(t, nodeOptions{name: "orders", id: "orders-1", peer: "inventory", endpoints: endpoints, dir: t.TempDir(), spread: spread})
	c.inventory = startNode(t, nodeOptions{name: "inventory", id: "inventory-1", peer: "orders", endpoints: endpoints, spread: -1})
	c.awaitWell()
	return c
}

// nodes are both, for loops.
func (c *couple) nodes() []*node { return []*node{c.orders, c.inventory} }

func (c *couple) awaitWell() {
	c.t.Helper()
	for _, n := range c.nodes() {
		eventually(c.t, "all is well", func() bool { return n.well() && n.items() == firstItems })
		n.mustBeWell(c.t)
	}
}

// serves restarts the server and returns the moment from which it serves.
func (c *couple) serves() time.Time {
	c.t.Helper()
	c.etcd.Restart()
	return time.Now()
}

// reloads checks that configuration still reloads: a put is served at once.
func (c *couple) reloads(clause, items string, want int) {
	c.t.Helper()
	put := time.Now()
	c.backend.put(maxItemsKey, items)
	measure(c.t, clause, put,
		goal{"a put after it is served by orders", 3 * time.Second, func() bool { return c.orders.items() == want }},
		goal{"a put after it is served by inventory", 3 * time.Second, func() bool { return c.inventory.items() == want }})
}
