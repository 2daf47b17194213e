package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const lossLimit = 100 * time.Millisecond

// Not parallel: the limit is a tenth of a second.

func TestLeaseRevoked_BackAtOnce_Row26(t *testing.T) {
	for _, version := range etcdtest.Versions() {
		t.Run(version, func(t *testing.T) {
			c := startCouple(t, etcdtest.Start(t, etcdtest.Options{Version: version}))
			lost(t, c, "lease revoked ("+version+")", func() { c.backend.revoke(c.backend.mustGet(c.orders.key()).Lease) })
		})
	}
}

func TestOwnKeyDeleted_BackAtOnce_Row27(t *testing.T) {
	for _, version := range etcdtest.Versions() {
		t.Run(version, func(t *testing.T) {
			c := startCouple(t, etcdtest.Start(t, etcdtest.Options{Version: version}))
			lost(t, c, "own key deleted ("+version+")", func() { c.backend.remove(c.orders.key()) })
		})
	}
}

// lost takes a registration away several times, while etcd is well.
func lost(t *testing.T, c *couple, clause string, takeAway func()) {
	const times = 3
	for i := range times {
		eventually(t, "the loss of a key is watched for", func() bool { return c.orders.well() && watched(c, i) })
		before := c.orders.ann.Status()
		_, revision := c.backend.get(c.orders.key())
		diary := c.backend.watchKey(c.orders.key(), revision)
		takeAway()
		eventually(t, "the key is back", func() bool { _, _, ok := diary.backAfterDeletion(); return ok })
		gone, back, _ := diary.backAfterDeletion()
		report(t, clause, "the key is back", back.at.Sub(gone.at), lossLimit)
		eventually(t, "the announcement says so", c.orders.registered)

		after := c.orders.ann.Status()
		if after.Losses != before.Losses+1 || after.Registrations != before.Registrations+1 {
			t.Errorf("loss %d: %d losses and %d registrations; want one of each more than %d and %d",
				i+1, after.Losses, after.Registrations, before.Losses, before.Registrations)
		}
		if puts, deletions := diary.count(); puts != 1 || deletions != 1 {
			t.Errorf("loss %d: %v; want one deletion and one put", i+1, diary)
		}
		eventually(t, "the peer sees it", func() bool { return len(c.inventory.peers.Instances()) == 1 })
		c.orders.mustBeWell(t)
	}
}

// watched says whether the server has a watcher for each thing that is watched:
// per node the config, the peer and the own key, and the test's own diaries; and
// whether they are in sync. For its first 100 ms a watcher is not, and hears of
// everything that late.
func watched(c *couple, diaries int) bool {
	m := c.etcd.Metrics()
	return int(m["etcd_debugging_mvcc_watcher_total"]) >= 6+diaries && m["etcd_debugging_mvcc_slow_watcher_total"] == 0
}
