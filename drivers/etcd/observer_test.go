package etcd_test

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

// ctxOf returns a ctx that outlasts everything a test does, its cleanups too.
func ctxOf(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, o etcd.DialOptions) *etcd.Client {
	t.Helper()
	c, err := etcd.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func put(t testing.TB, c *clientv3.Client, key, value string) int64 {
	t.Helper()
	r, err := c.Put(ctxOf(t), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header.Revision
}

// eventually polls until ok, and returns how long that took.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(start)
}

// within runs fn and reports how long it took.
func within(t testing.TB, limit time.Duration, what string, fn func()) time.Duration {
	t.Helper()
	start := time.Now()
	fn()
	took := time.Since(start)
	if took > limit {
		t.Errorf("%s took %v; at most %v is allowed", what, took.Round(time.Millisecond), limit)
	}
	t.Logf("%s: %v", what, took.Round(100*time.Microsecond))
	return took
}

// observer folds a watch of configuration.
type observer struct {
	mu    sync.Mutex
	items map[string]string
	steps int
	beats int
	err   error
	at    time.Time // of err
	done  chan struct{}
	stop  context.CancelFunc
}

func observe(t testing.TB, s core.ConfigSource) *observer {
	t.Helper()
	return observeFrom(t, s, mustLoad(t, s))
}

func observeFrom(t testing.TB, s core.ConfigSource, from core.Snapshot[[]byte]) *observer {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	o := &observer{items: map[string]string{}, done: make(chan struct{}), stop: stop}
	for k, v := range from.Items {
		o.items[k] = string(v)
	}
	go func() {
		defer close(o.done)
		for u, err := range s.Watch(ctx, from.Revision) {
			o.apply(u, err)
		}
	}()
	t.Cleanup(func() { stop(); <-o.done })
	return o
}

func (o *observer) apply(u core.Update[[]byte], err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.err, o.at = err, time.Now()
		return
	case u.Heartbeat():
		o.beats++
		return
	case u.Reset:
		o.items = map[string]string{}
	}
	o.steps++
	for _, k := range u.Delete {
		delete(o.items, k)
	}
	for k, v := range u.Put {
		o.items[k] = string(v)
	}
}

func (o *observer) has(key, value string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.items[key] == value
}

func (o *observer) all() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.items)
}

func (o *observer) heartbeats() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.beats
}

// ended waits for the end of the watch.
func (o *observer) ended(t testing.TB, limit time.Duration) error {
	t.Helper()
	select {
	case <-o.done:
	case <-time.After(limit):
		t.Fatalf("the watch has not ended within %v", limit)
	}
	return o.err
}

func mustLoad(t testing.TB, s core.ConfigSource) core.Snapshot[[]byte] {
	t.Helper()
	snapshot, err := s.Load(ctxOf(t))
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// loadSoon loads as an engine does after an outage: again and again.
func loadSoon(t testing.TB, s core.ConfigSource, limit time.Duration) core.Snapshot[[]byte] {
	t.Helper()
	var snapshot core.Snapshot[[]byte]
	took := eventually(t, limit, "a list", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var err error
		snapshot, err = s.Load(ctx)
		return err == nil && !snapshot.Replica
	})
	t.Logf("listed again after %v", took.Round(time.Millisecond))
	return snapshot
}

func registration(id, owner string, ttl time.Duration) core.Registration {
	return core.Registration{
		Instance: core.Instance{ID: id, Service: "orders", Endpoints: []string{"http://127.0.0.1:80"}},
		Owner:    owner, TTL: ttl,
	}
}

func revisionOf(t testing.TB, r core.Revision) int64 {
	t.Helper()
	n, err := strconv.ParseInt(string(r), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
