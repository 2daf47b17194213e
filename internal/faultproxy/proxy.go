// Package faultproxy is a TCP proxy inside a test that breaks connections in the
// ways that networks and servers do.
package faultproxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/loopback"
)

const (
	dialLimit   = 5 * time.Second
	listenLimit = 5 * time.Second
	listenEvery = 20 * time.Millisecond
	maxConns    = 4096
)

// Proxy forwards TCP connections to an upstream, and starts in the mode Pass.
// When a method that changes the mode returns, the change holds for new
// connections and for every chunk of bytes that is not being written already.
// All methods are safe for concurrent use.
type Proxy struct {
	t    testing.TB
	addr string
	// ctx ends with Close, and every dial with it.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	changing sync.Mutex // held by set and Close, which wait for the listener

	mu        sync.Mutex
	upstream  string
	mode      mode
	changed   chan struct{} // closed and replaced when mode changes
	listener  net.Listener  // nil while refusing, after Close, and without an address
	accepting chan struct{} // closed when the accept loop of listener has ended
	conns     map[*conn]struct{}
	closed    bool

	accepted        atomic.Int64
	upBytes, dBytes atomic.Int64
}

// New returns a proxy in front of upstream, host:port, that listens on a loopback
// address of its own. It is closed with the test.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := loopback.Listen(t.Context())
	if err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	return start(t, l, upstream)
}

// NewAt is [New] on a given address, host:port.
func NewAt(t testing.TB, addr, upstream string) *Proxy {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	return start(t, l, upstream)
}

// NewUnbound returns a proxy that listens nowhere: its connections are those
// given to [Proxy.Serve]. It is closed with the test.
func NewUnbound(t testing.TB, upstream string) *Proxy {
	t.Helper()
	return start(t, nil, upstream)
}

func start(t testing.TB, l net.Listener, upstream string) *Proxy {
	p := &Proxy{t: t, upstream: upstream, mode: mode{name: "pass"},
		changed: make(chan struct{}), conns: map[*conn]struct{}{}}
	// Cleanups run after t.Context() ended, and until then the proxy has to work.
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	if l != nil {
		p.addr = l.Addr().String()
		p.listen(l)
	}
	t.Cleanup(p.Close)
	return p
}

// Addr returns the address that the proxy listens on, host:port; it never
// changes. It is "" for a proxy of [NewUnbound].
func (p *Proxy) Addr() string { return p.addr }

// Upstream returns where new connections go.
func (p *Proxy) Upstream() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

// SetUpstream sends new connections to another server. Those that are open stay
// where they are; Drop ends them.
func (p *Proxy) SetUpstream(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = addr
}

// Mode names the mode for messages of tests: "pass", "blackhole down", ...
func (p *Proxy) Mode() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode.name
}

// Conns returns how many connections are open now.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Accepted returns how many connections were ever accepted, those included that
// were reset at once.
func (p *Proxy) Accepted() int64 { return p.accepted.Load() }

// UpBytes returns how many bytes were delivered to upstreams.
func (p *Proxy) UpBytes() int64 { return p.upBytes.Load() }

// DownBytes returns how many bytes were delivered to clients.
func (p *Proxy) DownBytes() int64 { return p.dBytes.Load() }

// Drop resets (RST) the connections that are open now, whatever the mode, and
// leaves the mode as it is.
func (p *Proxy) Drop() {
	for _, c := range p.open() {
		c.reset()
	}
}

// Close ends the listener and every connection, and returns when no goroutine of
// the proxy is left. A second Close does nothing.
func (p *Proxy) Close() {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.unlisten()
	p.Drop()
	p.wg.Wait()
}

func (p *Proxy) open() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	return conns
}

func (p *Proxy) set(m mode) {
	p.t.Helper()
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	m.generation = p.mode.generation + 1
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()

	if m.refuse {
		p.unlisten()
	} else if err := p.relisten(); err != nil {
		p.t.Errorf("faultproxy: listen again: %v", err)
	}
	for _, c := range p.open() {
		c.apply(m)
	}
}

func (p *Proxy) current() (mode, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.changed
}
