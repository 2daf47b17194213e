package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

func TestCluster_LeaderKilled_Row10(t *testing.T) {
	t.Parallel()
	const clause = "leader killed"
	c := startTrio(t, etcdtest.Options{})
	dogs := c.guard(firstItems, 8)
	leader := c.cluster.Leader()

	c.cluster.Members[leader].Kill()
	died := time.Now()
	c.measureAll(clause, "notices", died, noticeLimit, c.alone[leader:leader+1], away)
	c.tryPut(maxItemsKey, "8", leader)
	c.measureAll(clause, "has what was put after", died, noticeLimit, c.others(leader), func(n *node) func() bool {
		return func() bool { return n.items() == 8 && n.configLive() && n.discoveryLive() }
	})

	c.cluster.Members[leader].Restart()
	c.measureAll(clause, "is healed", time.Now(), backLimit, c.nodes(), func(n *node) func() bool { return serves(n, 8) })
	c.end(dogs)
}

func TestCluster_MemberStopped_Row5(t *testing.T) {
	t.Parallel()
	const clause = "one member stopped"
	c := startTrio(t, etcdtest.Options{})
	dogs := c.guard(firstItems, 8, 9)
	stopped := (c.cluster.Leader() + 1) % members

	c.cluster.Members[stopped].Pause()
	since := time.Now()
	c.tryPut(maxItemsKey, "8", stopped)
	c.measureAll(clause, "notices", since, noticeLimit, c.alone[stopped:stopped+1], away)
	c.measureAll(clause, "has what was put after", since, noticeLimit, c.others(stopped), func(n *node) func() bool {
		return func() bool { return n.items() == 8 && n.configLive() && n.discoveryLive() }
	})
	c.alone[stopped].mustBeAway(t, since, oldestLive)
	outage(t, since, 2*ttl)
	c.tryPut(maxItemsKey, "9", stopped)
	c.measureAll(clause, "goes on", time.Now(), backLimit, c.others(stopped), func(n *node) func() bool { return serves(n, 9) })

	c.cluster.Members[stopped].Resume()
	c.measureAll(clause, "is healed", time.Now(), backLimit, c.nodes(), func(n *node) func() bool { return serves(n, 9) })
	c.end(dogs)
}

func TestCluster_QuorumLost_ReplicaAtStart_Row8(t *testing.T) {
	t.Parallel()
	const clause = "quorum lost"
	c := startTrio(t, etcdtest.Options{})
	dogs := c.guard(firstItems, 8)
	left := c.cluster.Leader()
	for i, m := range c.cluster.Members {
		if i != left {
			m.Kill()
		}
	}
	died := time.Now()
	c.measureAll(clause, "notices", died, noticeLimit, c.nodes(), away)
	for _, n := range c.nodes() {
		n.mustBeAway(t, died, oldestLive)
	}

	// One that starts now gets what the last member has, and says so.
	late := startNode(t, nodeOptions{name: "late", id: "late-1", peer: "orders", endpoints: c.cluster.Endpoints()})
	measure(t, clause, late.began,
		goal{"config of a service that starts is a replica's", backLimit, func() bool {
			return late.items() == firstItems && late.limits.Status().Level == core.Replica && late.svc.Config().Level() == core.Replica
		}},
		goal{"discovery of a service that starts is a replica's", backLimit, func() bool {
			return late.peers.Status().Level == core.Replica && len(late.peers.Instances()) == 1
		}})
	if s := late.svc.Status(); s.Level != core.Replica || !s.Degraded || s.Config.Age > noticeLimit {
		t.Errorf("%s; want replica, degraded", late.state())
	}
	outage(t, died, 2*ttl)
	for _, n := range c.nodes() {
		n.mustBeAway(t, died, oldestLive) // what is in memory was consistent and stays
	}
	if late.registered() {
		t.Error("a service that started without quorum says registered")
	}

	c.cluster.Launch()
	for _, m := range c.cluster.Members {
		m.WaitReady()
	}
	served := time.Now()
	c.measureAll(clause, "is healed", served, backLimit, append(c.nodes(), late), func(n *node) func() bool { return serves(n, firstItems) })
	c.tryPut(maxItemsKey, "8", left)
	c.measureAll(clause, "has a put after it", time.Now(), backLimit, append(c.nodes(), late), func(n *node) func() bool { return serves(n, 8) })
	c.end(dogs)
	late.mustBeWell(t)
}

func TestCluster_MemberIsolatedInOneDirection_Row11_Row17(t *testing.T) {
	for _, direction := range []struct {
		name string
		kind etcdtest.Isolation
	}{{"deaf", etcdtest.Deaf}, {"mute", etcdtest.Mute}, {"alone", etcdtest.Alone}} {
		t.Run(direction.name, func(t *testing.T) {
			t.Parallel()
			clause := "one member isolated (" + direction.name + ")"
			c := startTrio(t, etcdtest.Options{PeerProxies: true})
			dogs := c.guard(firstItems, 8)
			for _, d := range dogs {
				d.mayBeOld(oneDirectionLimit)
			}
			isolated := (c.cluster.Leader() + 1) % members

			c.cluster.Isolate(isolated, direction.kind)
			since := time.Now()
			c.tryPut(maxItemsKey, "8", isolated)
			c.measureAll(clause, "notices", since, oneDirectionLimit, c.alone[isolated:isolated+1], away)
			c.measureAll(clause, "has what was put after", since, oneDirectionLimit, c.others(isolated), func(n *node) func() bool {
				return func() bool { return n.items() == 8 && n.configLive() && n.discoveryLive() }
			})
			outage(t, since, 2*ttl)
			c.alone[isolated].mustBeAway(t, since, oneDirectionLimit)

			c.cluster.Heal()
			c.cluster.Members[isolated].WaitReady()
			c.measureAll(clause, "is healed", time.Now(), backLimit, c.nodes(), func(n *node) func() bool { return serves(n, 8) })
			c.end(dogs)
		})
	}
}
