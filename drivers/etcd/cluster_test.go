package etcd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

func TestCluster_WithoutQuorumAnswersAsReplica(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.StartCluster(t, 3, etcdtest.Options{})
	put(t, cluster.Client(t), "/config/a", "1")
	client := dial(t, etcd.DialOptions{Endpoints: cluster.Endpoints()})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	eventually(t, 10*time.Second, "the key everywhere", func() bool {
		s, err := source.Load(ctxOf(t))
		return err == nil && len(s.Items) == 1
	})
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	cluster.Members[0].Kill()
	cluster.Members[1].Kill()
	within(t, 8*time.Second, "quorum lost to the end of the watch", func() {
		if err := o.ended(t, 20*time.Second); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	within(t, 2100*time.Millisecond, "a load without quorum and a deadline of 2 s", func() {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s, err := source.Load(ctx)
		if err != nil || !s.Replica || string(s.Items["a"]) != "1" {
			t.Errorf("got %+v, %v", s, err)
		}
	})
	// A watch can't begin without a leader, and says so.
	within(t, 8*time.Second, "a watch that begins without quorum ends", func() {
		var last error
		for _, err := range source.Watch(ctxOf(t), "2") {
			last = err
		}
		if !errors.Is(last, core.ErrUnavailable) {
			t.Errorf("got %v", last)
		}
	})
	cluster.Members[0].Launch()
	cluster.Members[0].WaitReady()
	within(t, 3*time.Second, "quorum back to fresh", func() { loadSoon(t, source, 10*time.Second) })
}

func TestCluster_LeavesAStoppedMember(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.StartCluster(t, 3, etcdtest.Options{})
	admin := cluster.Client(t)
	put(t, admin, "/config/a", "1")
	client := dial(t, etcd.DialOptions{Endpoints: cluster.Endpoints()})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	registry := client.Registry(etcd.RegistryOptions{})
	loadSoon(t, source, 10*time.Second)
	// Whichever member it is, the leader or the one that has the watch included.
	stopped := cluster.Members[cluster.Leader()]
	o := observe(t, source)
	stopped.Pause()
	for i := range 6 {
		eventually(t, 10*time.Second, "a load with a deadline of 2 s", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			s, err := source.Load(ctx)
			return err == nil && string(s.Items["a"]) == "1" && (i < 3 || !s.Replica)
		})
	}
	eventually(t, 10*time.Second, "a registration with a deadline of 2 s", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		return registry.Register(ctx, registration("a", "o", 10*time.Second)) == nil
	})
	// The watch is either on a living member or has ended by now.
	select {
	case <-o.done:
	case <-time.After(8 * time.Second):
		before := o.heartbeats()
		eventually(t, 8*time.Second, "a heartbeat of a watch that goes on", func() bool { return o.heartbeats() > before })
	}
	stopped.Resume()
}

// A member that can send but not hear answers requests for progress for ever, with
// data that gets older and older.
func TestCluster_NoticesAMemberThatHearsNobody(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.StartCluster(t, 3, etcdtest.Options{PeerProxies: true})
	deaf := (cluster.Leader() + 1) % 3
	others := []string{cluster.Members[(deaf+1)%3].Endpoint(), cluster.Members[(deaf+2)%3].Endpoint()}
	admin := cluster.Members[(deaf+1)%3].Client(t)
	put(t, admin, "/config/a", "1")
	client := dial(t, etcd.DialOptions{Endpoints: append([]string{cluster.Members[deaf].Endpoint()}, others...)})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	watches := func(members ...*etcdtest.Server) (n float64) {
		for _, m := range members {
			n += m.Metrics()["etcd_debugging_mvcc_watcher_total"]
		}
		return n
	}
	// Watches until one is on the member that will go deaf.
	var o *observer
	eventually(t, 20*time.Second, "a watch on that member", func() bool {
		o = observe(t, source)
		eventually(t, 10*time.Second, "a watch", func() bool { return watches(cluster.Members...) > 0 })
		if watches(cluster.Members[deaf]) > 0 {
			return true
		}
		o.stop()
		<-o.done
		eventually(t, 10*time.Second, "no watch", func() bool { return watches(cluster.Members...) == 0 })
		return false
	})
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	cluster.Isolate(deaf, etcdtest.Deaf)
	start := time.Now()
	put(t, admin, "/config/a", "2")
	within(t, 15*time.Second, "isolated in one direction to the end of the watch or the news", func() {
		for !o.has("a", "2") {
			select {
			case <-o.done:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if time.Since(start) > 20*time.Second {
				return
			}
		}
	})
	within(t, 5*time.Second, "fresh elsewhere", func() {
		eventually(t, 10*time.Second, "the news", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			s, err := source.Load(ctx)
			return err == nil && !s.Replica && string(s.Items["a"]) == "2"
		})
	})
	cluster.Heal()
}
