package etcd_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

func TestWatch_EndsWithinASecondOfAKill(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	source := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).ConfigSource("/config/", etcd.ConfigOptions{})
	o := observe(t, source)
	put(t, server.Client(t), "/config/a", "1")
	eventually(t, 5*time.Second, "the change", func() bool { return o.has("a", "1") })

	server.Kill()
	within(t, time.Second, "SIGKILL to the end of the watch", func() {
		if err := o.ended(t, 10*time.Second); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	// With the connection known to be broken nothing waits for its deadline.
	eventually(t, 5*time.Second, "a load that fails at once", func() bool {
		start := time.Now()
		_, err := source.Load(ctxOf(t))
		return errors.Is(err, core.ErrUnavailable) && time.Since(start) < 50*time.Millisecond
	})

	server.Restart()
	within(t, 3*time.Second, "serving again to fresh", func() { loadSoon(t, source, 10*time.Second) })
}

func TestWatch_EndsWithinTwoHeartbeatsOfAStop(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	source := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).ConfigSource("/config/", etcd.ConfigOptions{})
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	server.Pause()
	within(t, 8*time.Second, "SIGSTOP to the end of the watch (heartbeat 4 s)", func() {
		if err := o.ended(t, 20*time.Second); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	server.Resume()
	within(t, 3*time.Second, "SIGCONT to fresh", func() { loadSoon(t, source, 10*time.Second) })
}

// A cluster that was wiped has the same ids, and once its revision has overtaken
// ours, clientv3 left alone goes on as if nothing had happened.
func TestWatch_NeverContinuesInAHistoryThatWasWiped(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	admin := server.Client(t)
	for i := range 20 {
		put(t, admin, fmt.Sprintf("/config/old%d", i), "old")
	}
	client := dial(t, etcd.DialOptions{Endpoints: []string{"http://" + proxy.Addr()}})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	from := mustLoad(t, source)
	o := observeFrom(t, source, from)
	put(t, admin, "/config/more", "old")
	eventually(t, 5*time.Second, "the change", func() bool { return o.has("more", "old") })

	proxy.Refuse()
	if err := o.ended(t, 5*time.Second); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("cut: got %v", err)
	}
	server.Kill()
	server.Wipe()
	server.Restart()
	admin = server.Client(t)
	put(t, admin, "/config/new", "new")
	for put(t, admin, "/config/count", "new") < revisionOf(t, from.Revision)+10 {
	}
	proxy.Pass()
	loadSoon(t, source, 10*time.Second)

	// An engine lists first. A watch from the old revision must not skip either.
	o = observeFrom(t, source, from)
	put(t, admin, "/config/last", "new")
	eventually(t, 10*time.Second, "the state of the new history", func() bool { return o.has("last", "new") })
	if diff := cmp.Diff(map[string]string{"new": "new", "count": "new", "last": "new"}, o.all()); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_OfAFutureRevisionIsGone(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	source := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).ConfigSource("/config/", etcd.ConfigOptions{})
	for _, after := range []core.Revision{"", "x", "0", "-1", "999999"} {
		var last error
		for _, err := range source.Watch(ctxOf(t), after) {
			last = err
		}
		if !errors.Is(last, core.ErrRevisionGone) {
			t.Errorf("after %q: got %v", after, last)
		}
	}
}

func TestWatch_IsGoneAfterACompactionWhileCut(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	admin := server.Client(t)
	put(t, admin, "/config/a", "1")
	client := dial(t, etcd.DialOptions{Endpoints: []string{"http://" + proxy.Addr()}})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	from := mustLoad(t, source)
	o := observeFrom(t, source, from)
	proxy.Refuse()
	_ = o.ended(t, 5*time.Second)
	last := put(t, admin, "/config/b", "2")
	for i := range 5 {
		last = put(t, admin, "/config/b", fmt.Sprint(i))
	}
	if _, err := admin.Compact(ctxOf(t), last, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	proxy.Pass()
	eventually(t, 10*time.Second, "the end or the truth", func() bool {
		var err error
		for u, e := range source.Watch(ctxOf(t), from.Revision) {
			if e == nil && u.Reset {
				return string(u.Put["b"]) == "4"
			}
			err = e
		}
		return errors.Is(err, core.ErrRevisionGone)
	})
	before := server.Metrics().RPCs()["KV/Range"]
	o = observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	if n := server.Metrics().RPCs()["KV/Range"] - before; n > 5 {
		t.Errorf("%d reads after the compaction; want one list and heartbeats", n)
	}
}

func TestWatch_YieldsATransactionAsOneStepThoughItWaitedLong(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	from := mustLoad(t, source)
	// More revisions than etcd puts into one response, each a transaction of two.
	const revisions = 2500
	for i := range revisions {
		value := fmt.Sprint(i)
		_, err := admin.Txn(ctxOf(t)).Then(clientv3.OpPut("/config/a", value), clientv3.OpPut("/config/b", value)).Commit()
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for u, err := range source.Watch(ctxOf(t), from.Revision) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(n); string(u.Put["a"]) != want || string(u.Put["b"]) != want || u.Reset {
			t.Fatalf("step %d holds a=%s b=%s", n, u.Put["a"], u.Put["b"])
		}
		if n++; n == revisions {
			break
		}
	}
}

func TestClient_LeavesNothingBehindAfterTwentyOutages(t *testing.T) {
	// Not parallel: it counts goroutines.
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	client := dial(t, etcd.DialOptions{Endpoints: []string{"http://" + proxy.Addr()}})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	registry := client.Registry(etcd.RegistryOptions{})
	outage := func() {
		snapshot := loadSoon(t, source, 10*time.Second)
		o := observeFrom(t, source, snapshot)
		if err := registry.Register(ctxOf(t), registration("a", "o", 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		lost := make(chan error, 1)
		go func() { lost <- registry.AwaitLoss(ctxOf(t), registration("a", "o", 5*time.Second)) }()
		proxy.Refuse()
		if err := o.ended(t, 5*time.Second); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if err := <-lost; !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("AwaitLoss: got %v", err)
		}
		proxy.Pass()
	}
	outage()
	loadSoon(t, source, 10*time.Second)
	before := runtime.NumGoroutine()
	for range 20 {
		outage()
	}
	loadSoon(t, source, 10*time.Second)
	eventually(t, 10*time.Second, fmt.Sprintf("%d goroutines again", before), func() bool { return runtime.NumGoroutine() <= before })
}

func TestClient_CloseIsQuickWhateverRuns(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	server.Pause()
	loaded := make(chan error, 1)
	go func() { _, err := source.Load(ctxOf(t)); loaded <- err }()
	within(t, time.Second, "Close with a stopped etcd", func() { _ = client.Close() })
	if err := o.ended(t, 5*time.Second); !errors.Is(err, core.ErrClosed) {
		t.Errorf("watch: got %v", err)
	}
	if err := <-loaded; !errors.Is(err, core.ErrClosed) {
		t.Errorf("load: got %v", err)
	}
}

func TestClient_GoesAroundAnEndpointThatIsNone(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client := dial(t, etcd.DialOptions{Endpoints: []string{"http://no-such-host.invalid:1", server.Endpoint()}})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	within(t, 2*time.Second, "load with a bogus and a good endpoint", func() { mustLoad(t, source) })
	o := observe(t, source)
	put(t, server.Client(t), "/config/a", "1")
	eventually(t, 5*time.Second, "the change", func() bool { return o.has("a", "1") })
}

func TestWrap_WorksAndLeavesTheClientOpen(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	put(t, admin, "/config/a", "1")
	client := etcd.Wrap(admin)
	source := client.ConfigSource("/config", etcd.ConfigOptions{})
	o := observe(t, source)
	put(t, admin, "/config/b", "2")
	eventually(t, 5*time.Second, "the change", func() bool { return o.has("b", "2") && o.has("a", "1") })
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := o.ended(t, 5*time.Second); !errors.Is(err, core.ErrClosed) {
		t.Errorf("got %v", err)
	}
	put(t, admin, "/config/c", "3")
}

func TestHeartbeat_CostsTwoRequestsForAllWatches(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints(), Heartbeat: time.Second})
	var all []*observer
	for i := range 5 {
		all = append(all, observe(t, client.ConfigSource(fmt.Sprintf("/config/%d/", i), etcd.ConfigOptions{})))
	}
	beats := func(n int) func() bool {
		return func() bool {
			for _, o := range all {
				if o.heartbeats() < n {
					return false
				}
			}
			return true
		}
	}
	eventually(t, 10*time.Second, "heartbeats", beats(1))
	before := server.Metrics().Received()
	eventually(t, 20*time.Second, "five more", beats(6))
	total := int64(0)
	for method, n := range server.Metrics().Received() {
		total += n - before[method]
	}
	t.Logf("5 idle watches, 5 heartbeats: %d messages", total)
	if total > 12 {
		t.Errorf("5 watches cost %d messages in 5 heartbeats; want at most 10, and 2 for one that began meanwhile", total)
	}
	if streams := server.Metrics().RPCs()["Watch/Watch"]; streams != 1 {
		t.Errorf("%d watch streams; want 1", streams)
	}
}
