package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func (t *tour) steps() []step {
	return []step{
		{"1 normal start", "live, registered, 200", t.normalStart},
		{"2 hot reload", "the new value without a restart", t.hotReload},
		{"3 bad push", "refused; the last good value stays", t.badPush},
		{"4 etcd killed under load", "memory serves on", t.etcdKilled},
		{"5 inventory-1 restarted, no etcd", "serves from disk within 0.3 s", t.inventoryRestarted},
		{"6 orders replaced, no etcd", "finds its peers from disk within 0.3 s", t.ordersReplaced},
		{"7 etcd back, same data", "live and registered again", t.etcdBack},
		{"8 good push", "arrives, and only who lives is registered", t.goodPush},
		{"9 etcd comes back empty", "nobody is lost; all register again", t.etcdWiped},
	}
}

const (
	limitKey = "/config/orders/limits/max_items"
	stockKey = "/config/inventory/stock/pieces"
	// fromDisk is within what time a service must serve that starts without etcd.
	fromDisk = 300 * time.Millisecond
)

// order asks the front for one order, as a customer does.
func (t *tour) order(ctx context.Context) (order, response) {
	var o order
	r := getWith(ctx, t.orders.client, t.front.url+"/order", &o)
	return o, r
}

// untilLimit waits until an order shows a limit, and says how long ago began was
// then.
func (t *tour) untilLimit(ctx context.Context, want int, began time.Time) (r response, took time.Duration, err error) {
	err = until(ctx, fmt.Sprintf("an order shows max_items %d", want), func() bool {
		var o order
		o, r = t.order(ctx)
		return r.ok() && o.MaxItems == want
	})
	return r, time.Since(began), err
}

// nodes are those that run.
func (t *tour) nodes() []*node { return []*node{t.front, t.back[0], t.back[1]} }

// healthy reports whether everybody is live and registered.
func (t *tour) healthy() bool {
	for _, n := range t.nodes() {
		if !n.at(core.Live) || !n.registered() {
			return false
		}
	}
	return true
}

func (t *tour) normalStart(ctx context.Context) (string, time.Duration, error) {
	err := t.etcd.start(ctx)
	if err != nil {
		return "", 0, err
	}
	t.say("etcd serves at %s, embedded in a process of its own", t.etcd.clients)
	if err := errors.Join(t.etcd.put(ctx, limitKey, "100"), t.etcd.put(ctx, stockKey, "42")); err != nil {
		return "", 0, err
	}
	began := time.Now()
	for i := range t.back {
		if t.back[i], err = t.startInventory(ctx, i, nil); err != nil {
			return "", 0, err
		}
	}
	if t.front, err = t.startOrders(ctx, "orders-1"); err != nil {
		return "", 0, err
	}
	if err := until(ctx, "all are live and registered", func() bool { return t.healthy() && t.front.svc.Endpoints("inventory").Status().Up == 2 }); err != nil {
		return "", 0, err
	}
	r, took, err := t.untilLimit(ctx, 100, began)
	if err != nil {
		return "", 0, err
	}
	for _, n := range t.back {
		t.tell(n, get(ctx, n.url+"/stock"), "started, registered")
	}
	t.tell(t.front, r, "started, registered, finds both by name; max_items is 100")
	t.load = startLoad(ctx, t.front.url)
	t.say("load begins: %d customers, %d orders a second", customers, customers*int(time.Second/pace))
	return "live, 3 instances registered, 200", took, t.load.more(ctx, 100)
}

func (t *tour) hotReload(ctx context.Context) (string, time.Duration, error) {
	t.say("push max_items 250")
	began := time.Now()
	if err := t.etcd.put(ctx, limitKey, "250"); err != nil {
		return "", 0, err
	}
	r, took, err := t.untilLimit(ctx, 250, began)
	if err != nil {
		return "", 0, err
	}
	t.tell(t.front, r, "serves max_items 250, %s after the push began", seconds(took))
	return "max_items 250", took, t.load.more(ctx, 50)
}

func (t *tour) badPush(ctx context.Context) (string, time.Duration, error) {
	t.say("push max_items \"plenty\", which is no number")
	began := time.Now()
	if err := t.etcd.put(ctx, limitKey, "plenty"); err != nil {
		return "", 0, err
	}
	if err := until(ctx, "the bad value is refused", func() bool { return t.front.svc.Status().Config.Values[0].Err != nil }); err != nil {
		return "", 0, err
	}
	took := time.Since(began)
	o, r := t.order(ctx)
	t.tell(t.front, r, "refused it, and says so in /health; serves max_items %d", o.MaxItems)
	if !r.ok() || o.MaxItems != 250 {
		return "", took, fmt.Errorf("max_items is %d", o.MaxItems)
	}
	// The cache is written behind: what was accepted must be on disk, and nothing
	// else, before the power goes.
	err := until(ctx, "what was accepted is on disk", func() bool {
		for _, n := range t.nodes() {
			if st := n.svc.Status().Cache; st.Pending > 0 || st.Writes == 0 {
				return false
			}
		}
		return true
	})
	return "refused, still 250", took, err
}

func (t *tour) etcdKilled(ctx context.Context) (string, time.Duration, error) {
	before := t.load.requests.Load()
	began := time.Now()
	t.etcd.kill()
	t.say("etcd is killed (SIGKILL)")
	err := until(ctx, "everybody notices", func() bool {
		for _, n := range t.nodes() {
			if !n.at(core.Memory) {
				return false
			}
		}
		return true
	})
	if err != nil {
		return "", 0, err
	}
	took := time.Since(began)
	for _, n := range t.back {
		t.tell(n, get(ctx, n.url+"/stock"), "noticed, serves on")
	}
	if err := t.load.more(ctx, 600); err != nil {
		return "", took, err
	}
	o, r := t.order(ctx)
	t.tell(t.front, r, "serves on, max_items %d; %d orders since the kill; readiness says %d",
		o.MaxItems, t.load.requests.Load()-before, get(ctx, t.front.url+"/readyz").code)
	if !r.ok() || o.MaxItems != 250 {
		return "", took, fmt.Errorf("max_items is %d, status %d", o.MaxItems, r.code)
	}
	return "memory, 200, max_items 250", took, nil
}

func (t *tour) inventoryRestarted(ctx context.Context) (string, time.Duration, error) {
	old := t.back[0]
	t.tell(old, get(ctx, old.url+"/stock"), "is told to end, as by SIGTERM; it can't tell etcd")
	t.back[0] = nil
	began := time.Now()
	if err := old.end(); err != nil {
		return "", 0, fmt.Errorf("it did not end well: %w", err)
	}
	t.say("inventory-1 has ended, %s after it was told", seconds(time.Since(began)))
	if err := until(ctx, "orders leaves inventory-1 out", func() bool { return len(t.front.svc.Endpoints("inventory").Status().Ejected) == 1 }); err != nil {
		return "", 0, err
	}
	if err := t.load.more(ctx, 50); err != nil {
		return "", 0, err
	}
	t.tell(t.front, get(ctx, t.front.url+"/order"), "leaves out inventory-1, which refuses connections, and asks inventory-2")
	ln, err := listenOn(ctx, strings.TrimPrefix(old.url, "http://"))
	if err != nil {
		return "", 0, err
	}
	n, err := t.startInventory(ctx, 0, ln)
	if err != nil {
		return "", 0, err
	}
	t.back[0] = n
	r := get(ctx, n.url+"/stock")
	t.tell(n, r, "started without etcd; serves from disk, %s after Start", seconds(n.took))
	if !n.at(core.Cached) || !r.ok() || n.took > fromDisk {
		return "", n.took, fmt.Errorf("level %v, status %d after %s", n.svc.Status().Level, r.code, seconds(n.took))
	}
	return "cached, 200", n.took, t.load.more(ctx, 100)
}

func (t *tour) ordersReplaced(ctx context.Context) (string, time.Duration, error) {
	old, last := t.front, t.orders
	t.orders = new(orders)
	// The same folder: this is the same service, started before the old one ends.
	n, err := t.startOrders(ctx, old.label)
	if err != nil {
		t.orders = last
		return "", 0, err
	}
	t.front = n
	o, r := t.order(ctx)
	t.tell(n, r, "another one started without etcd; max_items %d from disk, %s after Start", o.MaxItems, seconds(n.took))
	t.load.target.Store(&n.url)
	began := time.Now()
	err = old.end()
	last.pool.CloseIdleConnections()
	if err != nil {
		return "", n.took, fmt.Errorf("the old one did not end well: %w", err)
	}
	t.say("the load goes to the new orders; the old one has ended, %s after it was told", seconds(time.Since(began)))
	if !n.at(core.Cached) || !r.ok() || o.MaxItems != 250 || o.Pieces != 42 || n.took > fromDisk {
		return "", n.took, fmt.Errorf("level %v, status %d, max_items %d after %s", n.svc.Status().Level, r.code, o.MaxItems, seconds(n.took))
	}
	return "cached, 200, max_items 250, inventory found", n.took, t.load.more(ctx, 100)
}

func (t *tour) etcdBack(ctx context.Context) (string, time.Duration, error) {
	t.say("etcd starts again, with the same data")
	if err := t.etcd.start(ctx); err != nil {
		return "", 0, err
	}
	began := time.Now()
	t.say("etcd serves")
	if err := until(ctx, "all are live and registered", t.healthy); err != nil {
		return "", 0, err
	}
	took := time.Since(began)
	for _, n := range t.back {
		t.tell(n, get(ctx, n.url+"/stock"), "live and registered again")
	}
	o, r := t.order(ctx)
	t.tell(t.front, r, "live and registered again, %s after etcd served; max_items %d, the bad value is still refused", seconds(took), o.MaxItems)
	if !r.ok() || o.MaxItems != 250 {
		return "", took, fmt.Errorf("max_items is %d, status %d", o.MaxItems, r.code)
	}
	return "live, 3 instances registered, 200", took, t.load.more(ctx, 100)
}

func (t *tour) goodPush(ctx context.Context) (string, time.Duration, error) {
	t.say("push max_items 300")
	began := time.Now()
	if err := t.etcd.put(ctx, limitKey, "300"); err != nil {
		return "", 0, err
	}
	r, took, err := t.untilLimit(ctx, 300, began)
	if err != nil {
		return "", 0, err
	}
	t.tell(t.front, r, "serves max_items 300, %s after the push began", seconds(took))
	// The old orders could not deregister: it goes when its TTL has passed.
	var keys []string
	err = until(ctx, "the registry holds exactly who lives", func() bool {
		found, err := t.etcd.keys(ctx, "/services/")
		keys = found
		return err == nil && len(found) == len(t.nodes())
	})
	if err != nil {
		return "", took, fmt.Errorf("%w; it holds %v", err, keys)
	}
	t.say("the registry holds exactly who lives: %s", strings.Join(keys, ", "))
	return "max_items 300; no ghost in the registry", took, t.load.more(ctx, 50)
}

func (t *tour) etcdWiped(ctx context.Context) (string, time.Duration, error) {
	t.etcd.kill()
	if err := t.etcd.wipe(); err != nil {
		return "", 0, err
	}
	t.say("etcd is killed, and its data is lost")
	if err := until(ctx, "everybody notices", func() bool { return !t.healthy() }); err != nil {
		return "", 0, err
	}
	if err := t.etcd.start(ctx); err != nil {
		return "", 0, err
	}
	began := time.Now()
	t.say("etcd serves, and knows nobody")
	if err := errors.Join(t.etcd.put(ctx, limitKey, "300"), t.etcd.put(ctx, stockKey, "42")); err != nil {
		return "", 0, err
	}
	inventory := t.front.svc.Endpoints("inventory")
	most := 0 // held at once
	err := until(ctx, "all are live and registered", func() bool {
		st := inventory.Status()
		most = max(most, len(st.Held))
		return t.healthy() && st.Up == 2 && len(st.Held) == 0
	})
	if err != nil {
		return "", 0, err
	}
	took := time.Since(began)
	o, r := t.order(ctx)
	t.tell(t.front, r, "kept both inventories, %d of them on its own word for a while, until they registered again; max_items %d", most, o.MaxItems)
	if !r.ok() || o.MaxItems != 300 {
		return "", took, fmt.Errorf("max_items is %d, status %d", o.MaxItems, r.code)
	}
	return "live, 3 instances registered, 200", took, t.load.more(ctx, 50)
}

func (t *tour) startInventory(ctx context.Context, i int, ln net.Listener) (*node, error) {
	return t.start(ctx, "inventory", fmt.Sprintf("inventory-%d", i+1), ln, inventory)
}

func (t *tour) startOrders(ctx context.Context, label string) (*node, error) {
	return t.start(ctx, "orders", label, nil, t.orders.program)
}

func (t *tour) start(ctx context.Context, name, label string, ln net.Listener, p program) (*node, error) {
	if ln == nil {
		var err error
		if ln, err = listen(ctx); err != nil {
			return nil, err
		}
	}
	n, err := startNode(ctx, t.etcd.clients, t.folder, name, label, ln, p)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", label, err), ln.Close())
	}
	return n, nil
}
