package outagetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// A backend that comes and goes every second: values stay as they are, lists
// and registrations come and go no more often than a TTL ends, and nothing is
// told more than once per change.
func TestFlapping_1sUp1sDown_NoStorm_Row65(t *testing.T) {
	t.Parallel()
	const clause, flaps = "flapping for 20 s", 10
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	c := startCouple(t, server, "http://"+proxy.Addr())
	dogs := []*watchdog{guard(t, c.orders, firstItems), guard(t, c.inventory, firstItems)}
	for _, d := range dogs {
		d.mayBeLonely() // a lease that ends while a watch is in sync is believed
	}
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
	// A lease can miss the seconds in which the backend is up, for as long as a
	// TTL; but no more often than that, and it comes back once each time.
	const mostLosses = 2 * flaps / int(ttl/time.Second)
	puts, deletions := diary.count()
	if puts != deletions || deletions > mostLosses {
		t.Errorf("the registration flapped: %v; want at most %d losses", diary, mostLosses)
	}
	listed := c.orders.peers.Status().Changes - roster
	if listed > 2*uint64(mostLosses) {
		t.Errorf("the list of peers changed %d times", listed)
	}
	t.Logf("measured: %s: %d losses of the registration (limit %d), %d changes of the list (limit %d)", clause, deletions, mostLosses, listed, 2*mostLosses)
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
