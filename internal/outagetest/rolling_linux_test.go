package outagetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// exitLimit is what an instance may take to end: net/http gives a connection that
// has sent nothing yet 5 s.
const exitLimit = 15 * time.Second

// rounds is how often each instance is restarted.
func rounds() int {
	if testing.Short() {
		return 4
	}
	return 20
}

// rollout restarts three instances, one after another, round after round, under
// load.
type rollout struct {
	clause   string
	lameDuck time.Duration
	tries    int                       // see openShop
	before   func(*etcdtest.Server)    // is called when all is well
	back     func(*shop, *webInstance) // is called when an instance is ready again
}

func (r rollout) run(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	backend{t, server.Client(t)}.put(maxItemsKey, "7")
	var instances []*webInstance
	for i := range 3 {
		instances = append(instances, startWeb(t, server.Endpoints(), fmt.Sprintf("orders-%d", i+1), webSpec{LameDuck: r.lameDuck}))
	}
	n := startNode(t, nodeOptions{name: "shop", peer: "orders", endpoints: server.Endpoints()})
	eventually(t, "the shop finds all", func() bool { return len(n.peers.Instances()) == len(instances) })
	r.before(server)
	s := openShop(t, n, r.tries)
	eventually(t, "all listeners listen", func() bool { return s.events.Load() > listeners })

	restarts := 0
	var longest time.Duration
	for range rounds() {
		for _, w := range instances {
			longest = max(longest, w.terminate(t, exitLimit))
			w.start(t)
			r.back(s, w)
			restarts++
		}
	}
	sent := s.orders.Load()
	eventually(t, "the load goes on", func() bool { return s.orders.Load() > sent+2*customers })
	s.close()
	report(t, r.clause, "SIGTERM to exit code 0", longest, exitLimit)
	t.Logf("measured: %s: %d requests, %d restarts, %d failed, %d sent again to another instance; %d streams with %d events, %d cut",
		r.clause, s.orders.Load(), restarts, s.failed.Load(), s.again.Load(), s.streams.Load(), s.events.Load(), s.cut.Load())
	if s.failed.Load()+s.cut.Load()+s.bad.Load() > 0 {
		t.Errorf("%d requests failed, %d streams were cut, %d listeners found nobody; the first: %v", s.failed.Load(), s.cut.Load(), s.bad.Load(), s.first)
	}
	if s.streams.Load() <= int64(restarts) {
		t.Errorf("%d streams in %d restarts: hardly anybody listened", s.streams.Load(), restarts)
	}
}

// Peers are told before an instance leaves, so that not one request has to be sent
// twice.
func TestRollingRestart_LosesNoRequest(t *testing.T) {
	rollout{
		clause: "rolling restart", lameDuck: 200 * time.Millisecond, tries: 1,
		before: func(*etcdtest.Server) {},
		back: func(s *shop, w *webInstance) {
			eventually(t, "the shop finds "+w.spec.ID+" again", func() bool {
				return slices.ContainsFunc(s.peers.Instances(), func(in *core.Instance) bool { return in.ID == w.spec.ID })
			})
		},
	}.run(t)
}

// Nobody can tell the peers: they find out by asking, and go to another instance.
func TestRollingRestartWithEtcdStopped_LosesNoRequest(t *testing.T) {
	rollout{
		clause: "rolling restart, etcd stopped", lameDuck: 100 * time.Millisecond, tries: 3,
		before: func(server *etcdtest.Server) { server.Stop() },
		back: func(s *shop, w *webInstance) {
			if n := len(s.peers.Instances()); n != 3 {
				t.Errorf("with %s back the shop knows %d instances; want all three, as before the outage", w.spec.ID, n)
			}
		},
	}.run(t)
}
