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
	c.loss(clause, died, leader, 8, noticeLimit)

	c.cluster.Members[leader].Restart()
	c.healed(clause, "is healed", time.Now(), 8, c.nodes())
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
	c.loss(clause, since, stopped, 8, noticeLimit)
	c.alone[stopped].mustBeAway(t, since, oldestLive)
	outage(t, since, 2*ttl)
	c.tryPut(maxItemsKey, "9", stopped)
	c.healed(clause, "goes on", time.Now(), 9, c.others(stopped))

	c.cluster.Members[stopped].Resume()
	c.healed(clause, "is healed", time.Now(), 9, c.nodes())
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
	measure(t, clause, died, c.goals("notices", noticeLimit, c.nodes(), away)...)
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
	c.healed(clause, "is healed", served, firstItems, append(c.nodes(), late))
	c.tryPut(maxItemsKey, "8", left)
	c.healed(clause, "has a put after it", time.Now(), 8, append(c.nodes(), late))
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
			c.loss(clause, since, isolated, 8, oneDirectionLimit)
			outage(t, since, 2*ttl)
			c.alone[isolated].mustBeAway(t, since, oneDirectionLimit)

			c.cluster.Heal()
			c.cluster.Members[isolated].WaitReady()
			c.healed(clause, "is healed", time.Now(), 8, c.nodes())
			c.end(dogs)
		})
	}
}
