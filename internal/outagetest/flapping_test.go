package outagetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// A backend that comes and goes every second: nothing that the application sees
// changes, and nothing is told more than once per change.
func TestFlapping_1sUp1sDown_NothingChanges_Row65(t *testing.T) {
	t.Parallel()
	const clause, flaps = "flapping for 20 s", 10
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	c := startCouple(t, server, "http://"+proxy.Addr())
	dogs := []*watchdog{guard(t, c.orders, firstItems), guard(t, c.inventory, firstItems)}
	var changes atomic.Int64
	defer c.orders.limits.OnChange(func(_, _ limits) { changes.Add(1) })()
	_, revision := c.backend.get(c.orders.key())
	diary := c.backend.watchKey(c.orders.key(), revision)
	before, roster := c.orders.svc.Status().Events, c.orders.peers.Status().Changes

	began := time.Now()
	for i := range flaps {
		proxy.Refuse()
		outage(t, began, time.Duration(2*i+1)*time.Second)
		proxy.Pass()
		outage(t, began, time.Duration(2*i+2)*time.Second)
	}
	measure(t, clause, time.Now(),
		goal{"orders is well", backLimit, c.orders.well},
		goal{"inventory (no spread) is well", backLimit, c.inventory.well})
	if n := changes.Load(); n != 0 {
		t.Errorf("OnChange was called %d times", n)
	}
	if n := c.orders.peers.Status().Changes - roster; n != 0 {
		t.Errorf("the list of peers changed %d times", n)
	}
	if puts, deletions := diary.count(); puts != 0 || deletions != 0 {
		t.Errorf("the registration flapped: %v", diary)
	}
	after := c.orders.svc.Status().Events
	levels := after[holdfast.EventLevel] - before[holdfast.EventLevel]
	t.Logf("%s: %d changes of level in two parts, %d losses", clause, levels, after[holdfast.EventLost])
	if most := uint64(2 * 2 * flaps); levels > most {
		t.Errorf("%d changes of level in %d outages of two parts; want at most %d", levels, flaps, most)
	}
	for i, n := range c.nodes() {
		n.mustBeWell(t)
		dogs[i].end(t)
	}
}
