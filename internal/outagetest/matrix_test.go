package outagetest

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What a consumer must survive: a registry that lies, and one that tells an
// uncomfortable truth. Each clause says how many requests failed, and when those who
// are dead were asked no more.

func TestMatrix_RegistryEmptied(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	c.vanish(c.all...)
	began := time.Now()
	measure(t, "registry emptied", began, goal{"all are held", time.Second, c.known(listenersOfService, listenersOfService)})
	outage(t, began, 5*time.Second) // time enough for probes
	if s := c.node.peers.Status(); len(s.Held) != listenersOfService {
		t.Errorf("%d are still held; want all", len(s.Held))
	}
	c.asked(c.all)
	for _, l := range c.all {
		c.backend.put(l.key, l.entry)
	}
	measure(t, "registry emptied", time.Now(), goal{"nobody is held once all are back", time.Second, c.known(listenersOfService, 0)})
	c.report("registry emptied")
}

func TestMatrix_HalfVanishAlive(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	half := c.all[:listenersOfService/2]
	c.vanish(half...)
	measure(t, "half vanish alive", time.Now(), goal{"half is believed", time.Second, c.known(listenersOfService/2, 0)})
	c.asked(c.all[listenersOfService/2:])
	more := c.all[listenersOfService/2 : listenersOfService/2+3]
	c.vanish(more...)
	measure(t, "half vanish alive", time.Now(), goal{"three more are doubted", time.Second, c.known(listenersOfService/2, 3)})
	c.asked(more)
	c.report("half vanish alive")
}

func TestMatrix_HalfVanishDead(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	dead := c.all[:listenersOfService/2+1] // one more than is believed
	for _, l := range dead {
		l.kill()
	}
	began := time.Now()
	c.vanish(dead...)
	measure(t, "half vanish dead", began,
		goal{"the dead are asked no more", deadLimit, c.unasked(dead)},
		goal{"the dead are gone", deadLimit, c.known(listenersOfService-len(dead), 0)})
	c.asked(c.all[len(dead):])
	c.report("half vanish dead")
}

func TestMatrix_DeregisteredOneByOne(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	leaving := c.all[:12]
	for _, l := range leaving {
		c.vanish(l)
		eventually(t, "it gets no requests", c.unaskedOrHeld(l))
		l.leave(t)
	}
	measure(t, "deregistered one by one", time.Now(), goal{"the last is gone", deadLimit, c.known(listenersOfService-len(leaving), 0)})
	c.report("deregistered one by one")
}

// unaskedOrHeld says whether a key's end has arrived.
func (c *crowd) unaskedOrHeld(l *listener) func() bool {
	gone := c.unasked([]*listener{l})
	return func() bool {
		for _, s := range c.node.peers.Status().Held {
			if "/services/inventory/"+s.ID == l.key {
				return true
			}
		}
		return gone()
	}
}

func TestMatrix_ScaledDownOnPurpose(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	leaving := c.all[:12]
	began := time.Now()
	c.vanish(leaving...)
	for _, l := range leaving {
		l.leave(t)
	}
	measure(t, "scaled from 20 to 8", began, goal{"those that left are gone", deadLimit, c.known(8, 0)})
	c.asked(c.all[12:])
	c.report("scaled from 20 to 8")
}

func TestMatrix_RestoredWithGhosts(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	ctx, cancel := c.backend.deadline()
	defer cancel()
	// The ghosts are on leases, as instances are that announced themselves.
	ghosts, newer := c.all[:5], c.all[15:]
	lease, err := c.backend.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ghosts {
		if _, err := c.backend.client.Put(ctx, l.key, l.entry, clientv3.WithLease(lease.ID)); err != nil {
			t.Fatal(err)
		}
	}
	c.vanish(newer[:2]...)
	c.vanish(newer[2:]...)
	eventually(t, "the newer ones are gone", c.known(15, 0))
	c.server.Kill()
	eventually(t, "the outage is noticed", func() bool { return !c.node.discoveryLive() })
	backup := c.server.BackupData()
	c.server.Restart()
	eventually(t, "it is over", c.node.discoveryLive)
	for _, l := range newer {
		c.backend.put(l.key, l.entry)
	}
	eventually(t, "all are there", c.known(listenersOfService, 0))
	for _, l := range ghosts {
		l.kill()
	}
	c.vanish(ghosts[:2]...)
	c.vanish(ghosts[2:]...)
	eventually(t, "the ghosts are gone and the newer ones there", c.known(15, 0))

	c.server.Kill()
	eventually(t, "the outage is noticed", func() bool { return !c.node.discoveryLive() })
	c.server.RestoreData(backup)
	c.server.Restart()
	served := time.Now()
	eventually(t, "the ghosts are back", func() bool { return !c.unasked(ghosts)() })
	measure(t, "restored with ghosts", served,
		goal{"the ghosts are asked no more", 3 * ttl, c.unasked(ghosts)},
		goal{"the ghosts are gone with their lease, the newer ones held", 3 * ttl, c.known(15, 5)})
	c.asked(newer)
	c.report("restored with ghosts")
}

func TestMatrix_FlappingBackend(t *testing.T) {
	t.Parallel()
	c := startCrowd(t)
	for i := range 8 {
		began := time.Now()
		if i%2 == 0 {
			c.proxy.Reset()
		} else {
			c.proxy.Blackhole()
		}
		outage(t, began, 400*time.Millisecond)
		c.proxy.Pass()
		outage(t, began, 700*time.Millisecond)
		if n := len(c.node.peers.Instances()); n != listenersOfService {
			t.Errorf("%d instances are known; want all", n)
		}
	}
	measure(t, "flapping backend", time.Now(), goal{"discovery is live", backLimit, c.node.discoveryLive}, goal{"nobody is held", backLimit, c.known(listenersOfService, 0)})
	c.asked(c.all)
	c.report("flapping backend")
}
