package outagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
	"github.com/holdfast-go/holdfast/internal/loopback"
)

const (
	listenersOfService = 20
	askers             = 6
	askEvery           = 5 * time.Millisecond
	askLimit           = 5 * time.Second
	deadLimit          = 5 * time.Second // until a dead instance gets no requests
)

// listener is one instance of a service: a server and a key of its own, which a test
// takes away in any way it likes.
type listener struct {
	key    string
	entry  string
	server *http.Server
	ended  chan struct{}
	hits   atomic.Int64
}

func startListener(t *testing.T, i int) *listener {
	t.Helper()
	ln, err := loopback.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("inventory-%02d", i)
	entry, err := json.Marshal(core.Instance{ID: id, Service: "inventory", Endpoints: []string{"http://" + ln.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{key: "/services/inventory/" + id, entry: string(entry), ended: make(chan struct{})}
	l.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { l.hits.Add(1) })}
	go func() {
		defer close(l.ended)
		if err := l.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", id, err)
		}
	}()
	t.Cleanup(l.kill)
	return l
}

// kill closes it as the end of a process does: what is under way is cut.
func (l *listener) kill() {
	_ = l.server.Close()
	<-l.ended
}

// leave closes it when what is under way is done.
func (l *listener) leave(t *testing.T) {
	t.Helper()
	if err := l.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-l.ended
}

// crowd is twenty instances and somebody who asks them by name, without a break.
type crowd struct {
	t       *testing.T
	server  *etcdtest.Server
	proxy   *faultproxy.Proxy
	backend backend
	all     []*listener
	node    *node
	client  *http.Client

	stop             context.CancelFunc
	wg               sync.WaitGroup
	requests, failed atomic.Int64
	mu               sync.Mutex
	first            error
}

func startCrowd(t *testing.T) *crowd {
	t.Helper()
	server := etcdtest.Start(t, etcdtest.Options{})
	c := &crowd{t: t, server: server, proxy: faultproxy.New(t, server.Addr()), backend: backend{t, server.Client(t)}}
	c.backend.put(maxItemsKey, "7")
	for i := range listenersOfService {
		l := startListener(t, i)
		c.all = append(c.all, l)
		c.backend.put(l.key, l.entry)
	}
	c.node = startNode(t, nodeOptions{name: "shop", peer: "inventory", endpoints: []string{"http://" + c.proxy.Addr()}, spread: -1})
	eventually(t, "the shop finds all", func() bool { return len(c.node.peers.Instances()) == listenersOfService })
	pool := &http.Transport{MaxIdleConnsPerHost: askers}
	c.client = &http.Client{Transport: holdfast.Transport(c.node.svc, pool), Timeout: askLimit}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	c.stop = stop
	for range askers {
		c.wg.Go(func() { c.ask(ctx) })
	}
	t.Cleanup(func() { c.end(); pool.CloseIdleConnections() })
	return c
}

func (c *crowd) ask(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		c.requests.Add(1)
		if code, _, err := fetch(context.WithoutCancel(ctx), c.client, http.MethodGet, "http://inventory/"); err != nil || code != http.StatusOK {
			c.failed.Add(1)
			c.mu.Lock()
			if c.first == nil {
				c.first = fmt.Errorf("status %d, %w", code, err)
			}
			c.mu.Unlock()
		}
	}
}

func (c *crowd) end() {
	c.stop()
	c.wg.Wait()
}

// report ends the load and says what became of it.
func (c *crowd) report(clause string) {
	c.t.Helper()
	c.end()
	c.t.Logf("measured: %s: %d requests, %d failed", clause, c.requests.Load(), c.failed.Load())
	if c.failed.Load() > 0 {
		c.t.Errorf("%d of %d requests failed, the first: %v", c.failed.Load(), c.requests.Load(), c.first)
	}
}

// vanish removes keys in one step.
func (c *crowd) vanish(gone ...*listener) {
	c.t.Helper()
	ctx, cancel := c.backend.deadline()
	defer cancel()
	var ops []clientv3.Op
	for _, l := range gone {
		ops = append(ops, clientv3.OpDelete(l.key))
	}
	if _, err := c.backend.client.Txn(ctx).Then(ops...).Commit(); err != nil {
		c.t.Fatal(err)
	}
}

// known says whether so many instances are known, and so many of them held.
func (c *crowd) known(n, held int) func() bool {
	return func() bool {
		s := c.node.peers.Status()
		return s.Instances == n && len(s.Held) == held
	}
}

// unasked says whether none of them can be picked: gone, or ejected.
func (c *crowd) unasked(gone []*listener) func() bool {
	return func() bool {
		out := make(map[string]bool)
		for _, e := range c.node.peers.Status().Ejected {
			out[e.ID] = true
		}
		for _, in := range c.node.peers.Instances() {
			for _, l := range gone {
				if "/services/inventory/"+in.ID == l.key && !out[in.ID] {
					return false
				}
			}
		}
		return true
	}
}

// asked waits until each of them has been asked again: that they are alive is of use.
func (c *crowd) asked(who []*listener) {
	c.t.Helper()
	before := make([]int64, len(who))
	for i, l := range who {
		before[i] = l.hits.Load()
	}
	eventually(c.t, "each of them gets requests", func() bool {
		for i, l := range who {
			if l.hits.Load() == before[i] {
				return false
			}
		}
		return true
	})
}
