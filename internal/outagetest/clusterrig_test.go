package outagetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const (
	noticeLimit       = 8 * time.Second
	oneDirectionLimit = 15 * time.Second
	members           = 3
)

// trio is three members and four services: one on each member alone, and one on
// all of them, as an application is configured.
type trio struct {
	t       *testing.T
	cluster *etcdtest.Cluster
	backend backend
	all     *node
	alone   []*node // by member
}

// startTrio starts everything and returns when all is well.
func startTrio(t *testing.T, options etcdtest.Options) *trio {
	t.Helper()
	cluster := etcdtest.StartCluster(t, members, options)
	c := &trio{t: t, cluster: cluster, backend: backend{t, cluster.Client(t)}}
	c.backend.put(maxItemsKey, "7")
	c.backend.put(pricingKey, `{"currency": "EUR", "percent": 19}`)
	c.all = startNode(t, nodeOptions{name: "orders", id: "orders-1", peer: "inventory", endpoints: cluster.Endpoints()})
	for i, m := range cluster.Members {
		c.alone = append(c.alone, startNode(t, nodeOptions{
			name: "inventory", id: "inventory-" + string(rune('0'+i)), peer: "orders", endpoints: m.Endpoints(),
		}))
	}
	eventually(t, "all is well", func() bool {
		for _, n := range c.nodes() {
			if !n.well() || n.items() != firstItems {
				return false
			}
		}
		return len(c.all.peers.Instances()) == members
	})
	return c
}

// nodes are all services.
func (c *trio) nodes() []*node { return append([]*node{c.all}, c.alone...) }

// others are the services that don't depend on one member.
func (c *trio) others(member int) []*node {
	nodes := []*node{c.all}
	for i, n := range c.alone {
		if i != member {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// guard watches every service.
func (c *trio) guard(items ...int) []*watchdog {
	var dogs []*watchdog
	for _, n := range c.nodes() {
		d := guard(c.t, n, items...)
		// A registration that one service lost is no fault of the list of another;
		// this list has a single instance.
		if n != c.all {
			d.mayBeLonely()
		}
		dogs = append(dogs, d)
	}
	return dogs
}

// tryPut puts a value once the cluster takes it, through another member than the
// one given.
func (c *trio) tryPut(key, value string, except int) {
	c.t.Helper()
	client := c.cluster.Members[(except+1)%members].Client(c.t)
	eventually(c.t, "the cluster takes a put", func() bool {
		// A put that meets no leader is held by its member for 7 s.
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		defer cancel()
		_, err := client.Put(ctx, key, value)
		return err == nil
	})
}

// away says that a node says that its backend is away.
func away(n *node) func() bool {
	return func() bool {
		return n.svc.Config().Level() == core.Memory && (n.peers == nil || n.peers.Status().Level == core.Memory)
	}
}

// serves says that a node serves these items as live ones, and all else is well.
func serves(n *node, items int) func() bool {
	return func() bool { return n.items() == items && n.well() }
}

// name of a node in what is measured.
func (c *trio) name(n *node) string {
	switch {
	case n == c.all:
		return "the service on all members"
	case n.opts.name == "inventory":
		return "the service on member " + n.opts.id[len(n.opts.id)-1:] + " alone"
	}
	return "the service that started late"
}

// goals are one goal for each of several nodes.
func (c *trio) goals(what string, limit time.Duration, nodes []*node, met func(*node) func() bool) []goal {
	var goals []goal
	for _, n := range nodes {
		goals = append(goals, goal{c.name(n) + " " + what, limit, met(n)})
	}
	return goals
}

// loss measures how a member that is lost is noticed by the service on it alone,
// and how soon what is put then reaches the others: at once, or where a watch was
// on that member, backLimit after that is noticed.
func (c *trio) loss(clause string, since time.Time, member, items int, limit time.Duration) {
	c.t.Helper()
	c.tryPut(maxItemsKey, strconv.Itoa(items), member)
	c.t.Logf("%s: the cluster took a put after %.3fs", clause, time.Since(since).Seconds())
	measure(c.t, clause, since, append(
		c.goals("notices", limit, c.alone[member:member+1], away),
		c.goals("has what was put after", limit+backLimit, c.others(member), func(n *node) func() bool {
			return func() bool { return n.items() == items && n.configLive() && n.discoveryLive() }
		})...)...)
}

// healed measures how soon all services have items and everything else is well.
func (c *trio) healed(clause, what string, since time.Time, items int, nodes []*node) {
	c.t.Helper()
	measure(c.t, clause, since, c.goals(what, backLimit, nodes, func(n *node) func() bool { return serves(n, items) })...)
}

// end checks that everything is well and nothing was wrong on the way.
func (c *trio) end(dogs []*watchdog) {
	c.t.Helper()
	for i, n := range c.nodes() {
		eventually(c.t, "all is well and nothing is held", func() bool { return n.well() && len(n.peers.Status().Held) == 0 })
		n.mustBeWell(c.t)
		dogs[i].end(c.t)
	}
}
