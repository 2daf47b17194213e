package outagetest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

const (
	ttl          = 5 * time.Second
	defaultItems = 100 // limits.MaxItems in code
	closeLimit   = 10 * time.Second
)

// limits is bound to single keys below "limits".
type limits struct {
	MaxItems int `mapstructure:"max_items" validate:"min=1,max=1000000"`
}

// pricing is bound to the document "pricing.json".
type pricing struct {
	Currency string `mapstructure:"currency" validate:"len=3"`
	Percent  int    `mapstructure:"percent" validate:"min=0,max=100"`
}

// nodeOptions say how a service under test is made.
type nodeOptions struct {
	name      string   // of the service
	id        string   // of its instance; "" announces nothing
	peer      string   // the service that it calls; "" is none
	endpoints []string // of etcd
	prefix    string   // of its configuration; default configPrefix
	registry  string   // prefix of the registry; default that of the driver
	dir       string   // of the cache; "" is none
	scope     string   // of the cache
	spread    time.Duration
}

// node is one service under test, as one process would run it: with a client of
// its own.
type node struct {
	t       *testing.T
	opts    nodeOptions
	client  *etcd.Client
	store   *file.Store
	svc     *holdfast.Service
	limits  *holdfast.Value[limits]
	pricing *holdfast.Value[pricing]
	ann     *holdfast.Announcement
	peers   *holdfast.Endpoints
	began   time.Time     // Start was called
	start   time.Duration // what Start took
	closed  bool
}

// startNode starts a service. It ends with the test, or with close.
func startNode(t *testing.T, opts nodeOptions) *node {
	t.Helper()
	n := &node{t: t, opts: opts}
	t.Cleanup(func() {
		if t.Failed() && n.svc != nil {
			n.logTimeline()
		}
		n.close()
	})
	if err := n.open(t.Context()); err != nil {
		t.Fatalf("%s: %v", opts.name, err)
	}
	return n
}

func (n *node) open(ctx context.Context) (err error) {
	o := n.opts
	if o.prefix == "" {
		o.prefix = configPrefix
	}
	if n.client, err = etcd.Dial(etcd.DialOptions{Endpoints: o.endpoints}); err != nil {
		return err
	}
	options := holdfast.Options{
		Name: o.name, Version: "1.0.0", TTL: ttl, RecoverySpread: o.spread, CacheScope: o.scope,
		Registry: n.client.Registry(etcd.RegistryOptions{Prefix: o.registry}),
		Config:   n.client.ConfigSource(o.prefix, etcd.ConfigOptions{}),
		Logger:   slog.New(slog.DiscardHandler),
	}
	if o.dir != "" {
		n.store = file.New(o.dir, file.Options{})
		options.Cache = n.store
	}
	n.began = time.Now()
	if n.svc, err = holdfast.Start(ctx, options); err != nil {
		return err
	}
	n.start = time.Since(n.began)
	if n.limits, err = holdfast.Bind(n.svc.Config(), "limits", limits{MaxItems: defaultItems}); err != nil {
		return err
	}
	if n.pricing, err = holdfast.Bind(n.svc.Config(), "pricing", pricing{Currency: "EUR"}); err != nil {
		return err
	}
	if o.peer != "" {
		n.peers = n.svc.Endpoints(o.peer)
	}
	if o.id != "" {
		n.ann, err = n.svc.Announce(core.Instance{ID: o.id, Endpoints: []string{"http://127.0.0.1:8080"}})
	}
	return err
}

// key is where etcd holds the node's instance.
func (n *node) key() string { return "/services/" + n.opts.name + "/" + n.opts.id }

// close ends the service; a second call does nothing.
func (n *node) close() {
	if n.closed {
		return
	}
	n.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), closeLimit)
	defer cancel()
	if n.svc != nil {
		_ = n.svc.Close(ctx) // fails where the backend is dead, which is fine here
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.t.Errorf("%s: close the cache: %v", n.opts.name, err)
		}
	}
	if n.client != nil {
		_ = n.client.Close()
	}
}

// flush writes what is pending to the cache.
func (n *node) flush() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), closeLimit)
	defer cancel()
	if err := n.svc.FlushCache(ctx); err != nil {
		n.t.Fatalf("%s: flush the cache: %v", n.opts.name, err)
	}
}

func (n *node) items() int { return n.limits.Get().MaxItems }

func (n *node) configLive() bool { return n.svc.Config().Level() == core.Live }

func (n *node) discoveryLive() bool { return n.peers.Status().Level == core.Live }

// registered says that the backend confirmed the registration when it was asked
// last.
func (n *node) registered() bool {
	a := n.ann.Status()
	return a.State == holdfast.StateRegistered && a.Err == nil
}

// well says whether everything is as it should be and the peer is known.
func (n *node) well() bool {
	return n.configLive() &&
		(n.peers == nil || n.discoveryLive() && len(n.peers.Instances()) > 0) &&
		(n.ann == nil || n.registered())
}

// state is for messages of tests.
func (n *node) state() string {
	s := n.svc.Status()
	text := fmt.Sprintf("%s: level %v, degraded %v, config %v (%v), limits %d %v", n.opts.name, s.Level, s.Degraded, s.Config.Level, s.Config.Err, n.items(), n.limits.Status().Level)
	for _, e := range s.Endpoints {
		text += fmt.Sprintf(", endpoints %s %v %d held %d (%v)", e.Service, e.Level, e.Instances, len(e.Held), e.Err)
	}
	for _, a := range s.Announcements {
		text += fmt.Sprintf(", announcement %v (%v)", a.State, a.Err)
	}
	return text
}

func (n *node) logTimeline() {
	n.t.Logf("%s", n.state())
	for _, e := range n.svc.Status().Timeline {
		n.t.Logf("%s %s: %s %s %v->%v %s %s %v", n.opts.name, e.Time.Format("15:04:05.000"), e.Kind, e.Part, e.From, e.To, e.Key, e.Detail, e.Err)
	}
}
