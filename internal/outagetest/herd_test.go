package outagetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const (
	herd       = 100
	rateWindow = 250 * time.Millisecond
)

// rpcSample is how many RPCs a server had started at a moment.
type rpcSample struct {
	at    time.Duration // since it serves
	reads int64         // KV/Range
	all   int64
}

// Not parallel: a hundred services are heavy for a moment.
//
// Many services see the same server come back at the same time: they don't all
// ask at once, nobody waits long, and nobody writes what is there already.
func TestHerd_100ServicesAfterKilled10s_SpreadAndFresh_Row32(t *testing.T) {
	const clause = "100 services, killed 10 s"
	server := etcdtest.Start(t, etcdtest.Options{})
	b := backend{t, server.Client(t)}
	b.put(maxItemsKey, "7")
	nodes := make([]*node, herd)
	for i := range nodes {
		nodes[i] = startNode(t, nodeOptions{name: "fleet", id: fmt.Sprintf("fleet-%03d", i), peer: "fleet", endpoints: server.Endpoints()})
	}
	fresh := func(n *node) bool { return n.well() && len(n.peers.Instances()) == herd }
	eventually(t, "all services are well", func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return !fresh(n) })
	})
	before := b.list("/services/fleet/")

	server.Kill()
	died := time.Now()
	outage(t, died, 10*time.Second)
	for _, n := range nodes {
		n.mustBeAway(t, died, oldestLive)
	}
	server.Restart()
	served := time.Now()
	times, samples := recover100(t, server, nodes, fresh, served)

	slices.Sort(times)
	report(t, clause, "the last service is fresh", times[len(times)-1], backLimit)
	t.Logf("measured: %s: half of them are fresh %.3fs, 10 %% %.3fs, 90 %% %.3fs", clause,
		times[len(times)/2].Seconds(), times[len(times)/10].Seconds(), times[len(times)*9/10].Seconds())
	total := samples[len(samples)-1]
	peakReads, peakAll := peak(samples)
	t.Logf("measured: %s: %d reads and %d RPCs in all; at most %.0f reads/s and %.0f RPCs/s in %v", clause,
		total.reads, total.all, float64(peakReads)/rateWindow.Seconds(), float64(peakAll)/rateWindow.Seconds(), rateWindow)
	if tenth, nine := times[len(times)/10], times[len(times)*9/10]; nine-tenth < 300*time.Millisecond {
		t.Errorf("80 of 100 services became fresh within %v: no spread", nine-tenth)
	}
	if peakReads*4 > total.reads*3 {
		t.Errorf("%d of %d reads came within %v: no spread", peakReads, total.reads, rateWindow)
	}

	rpcs := server.Metrics().RPCs()
	if rpcs["KV/Txn"] != 0 || rpcs["Lease/LeaseGrant"] != 0 {
		t.Errorf("%d writes and %d leases since etcd serves; every registration had outlived the outage", rpcs["KV/Txn"], rpcs["Lease/LeaseGrant"])
	}
	after := b.list("/services/fleet/")
	if len(after) != herd || len(before) != herd {
		t.Fatalf("%d registrations, before %d; want %d", len(after), len(before), herd)
	}
	for i, kv := range after {
		if kv.ModRevision != before[i].ModRevision || kv.Lease != before[i].Lease {
			t.Errorf("%s was written again", kv.Key)
		}
	}
}

// recover100 waits until all nodes are fresh, and returns when each was, and what
// the server was asked on the way.
func recover100(t *testing.T, server *etcdtest.Server, nodes []*node, fresh func(*node) bool, served time.Time) ([]time.Duration, []rpcSample) {
	t.Helper()
	var times []time.Duration
	var samples []rpcSample
	open := slices.Clone(nodes)
	sample := func() {
		s := rpcSample{at: time.Since(served)}
		for method, n := range server.Metrics().RPCs() {
			s.all += n
			if method == "KV/Range" {
				s.reads += n
			}
		}
		samples = append(samples, s)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for round := 0; len(open) > 0; round++ {
		if time.Since(served) > patience {
			t.Fatalf("%d services are not fresh after %v; one: %s", len(open), patience, open[0].state())
		}
		if round%5 == 0 {
			sample()
		}
		open = slices.DeleteFunc(open, func(n *node) bool {
			if fresh(n) {
				times = append(times, time.Since(served))
				return true
			}
			return false
		})
		<-tick.C
	}
	sample()
	return times, samples
}

// peak returns the most reads and RPCs that began within rateWindow.
func peak(samples []rpcSample) (reads, all int64) {
	for i, s := range samples {
		from := rpcSample{}
		for _, f := range samples[:i] {
			if s.at-f.at > rateWindow {
				from = f
			}
		}
		reads, all = max(reads, s.reads-from.reads), max(all, s.all-from.all)
	}
	return reads, all
}
