package etcdtest

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/faultproxy"
	"github.com/holdfast-go/holdfast/internal/loopback"
)

// Isolation is what a member of a cluster is cut off from.
type Isolation int

// Kinds of isolation.
const (
	// Deaf: the member sends, but hears no other member.
	Deaf Isolation = iota
	// Mute: the member hears the others, and none hears it.
	Mute
	// Alone: both.
	Alone
)

// Isolate cuts the traffic between member i and all others until [Cluster.Heal].
// Clients still reach every member. The cluster needs Options.PeerProxies.
func (c *Cluster) Isolate(i int, kind Isolation) {
	c.t.Helper()
	if c.network == nil {
		c.t.Fatal("etcdtest: Isolate needs Options.PeerProxies")
	}
	status, err := c.Members[i].status(c.t.Context())
	if err != nil {
		c.t.Fatalf("etcdtest: id of %s: %v", c.Members[i].name, err)
	}
	id, err := strconv.ParseUint(status.Header.MemberID, 10, 64)
	if err != nil {
		c.t.Fatalf("etcdtest: id of %s: %v", c.Members[i].name, err)
	}
	c.network.isolate(link{from: strconv.FormatUint(id, 16), to: i}, kind)
}

// Heal ends every isolation.
func (c *Cluster) Heal() {
	if c.network != nil {
		c.network.heal()
	}
}

const (
	headLimit   = 16 << 10
	headTimeout = 10 * time.Second
)

// link is what one member dials to another: the dialler's id in hexadecimal, as
// peers send it in the header X-Server-From, and the index of who is dialled.
// etcd sends messages both ways over links of either direction, requests up and
// streams down, so that a direction of traffic is two sets of halves of links.
type link struct {
	from string
	to   int
}

// peerNetwork stands in front of all members and has a proxy per link.
type peerNetwork struct {
	t         testing.TB
	members   []*Server
	listeners []net.Listener

	mu     sync.Mutex
	heads  map[net.Conn]struct{} // connections whose dialler is not known yet
	links  map[link]*faultproxy.Proxy
	cut    *link // who is isolated: its id, and its index
	kind   Isolation
	closed bool
}

func newPeerNetwork(t testing.TB, members []*Server) *peerNetwork {
	t.Helper()
	n := &peerNetwork{t: t, members: members, heads: map[net.Conn]struct{}{}, links: map[link]*faultproxy.Proxy{}}
	var wg sync.WaitGroup
	for i := range members {
		l, err := loopback.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.listeners = append(n.listeners, l)
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { n.route(c, i) })
			}
		})
	}
	t.Cleanup(func() {
		for _, l := range n.listeners {
			_ = l.Close()
		}
		n.mu.Lock()
		n.closed = true
		for c := range n.heads {
			_ = c.Close()
		}
		n.mu.Unlock()
		wg.Wait()
		for _, p := range n.links {
			p.Close()
		}
	})
	return n
}

func (n *peerNetwork) addr(i int) string { return n.listeners[i].Addr().String() }

// route gives a connection to the proxy of its link.
func (n *peerNetwork) route(c net.Conn, to int) {
	n.mu.Lock()
	n.heads[c] = struct{}{}
	if n.closed {
		_ = c.Close()
	}
	n.mu.Unlock()
	head, err := readHead(c)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.heads, c)
	tcp, ok := c.(*net.TCPConn)
	if err != nil || n.closed || !ok {
		_ = c.Close()
		return
	}
	n.proxy(link{from: dialler(head), to: to}).Serve(&rewound{TCPConn: tcp, head: head})
}

// proxy is called with mu held.
func (n *peerNetwork) proxy(l link) *faultproxy.Proxy {
	p := n.links[l]
	if p == nil {
		p = faultproxy.NewUnbound(n.t, n.members[l.to].peer)
		n.links[l] = p
		n.apply(l, p)
	}
	return p
}

func (n *peerNetwork) isolate(who link, kind Isolation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut, n.kind = &who, kind
	for l, p := range n.links {
		n.apply(l, p)
	}
}

func (n *peerNetwork) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = nil
	for l, p := range n.links {
		n.apply(l, p)
	}
}

func (n *peerNetwork) apply(l link, p *faultproxy.Proxy) {
	dials := n.cut != nil && l.from == n.cut.from
	dialled := n.cut != nil && l.to == n.cut.to
	switch {
	case !dials && !dialled:
		p.Pass()
	case n.kind == Alone:
		p.Blackhole()
	case dials == (n.kind == Deaf): // its own dials answer down, others' dials ask up
		p.BlackholeDown()
	default:
		p.BlackholeUp()
	}
}

// rewound reads its head again before the rest.
type rewound struct {
	*net.TCPConn
	head []byte
}

func (r *rewound) Read(b []byte) (int, error) {
	if len(r.head) == 0 {
		return r.TCPConn.Read(b)
	}
	n := copy(b, r.head)
	r.head = r.head[n:]
	return n, nil
}

// readHead reads the head of the first request, and what came along with it.
func readHead(c net.Conn) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(headTimeout)); err != nil {
		return nil, err
	}
	head := make([]byte, 0, headLimit)
	for !bytes.Contains(head, []byte("\r\n\r\n")) {
		if len(head) == cap(head) {
			return nil, io.ErrShortBuffer
		}
		n, err := c.Read(head[len(head):cap(head)])
		if err != nil {
			return nil, err
		}
		head = head[:len(head)+n]
	}
	return head, c.SetReadDeadline(time.Time{})
}

// dialler returns who sent the request, "" if it doesn't say.
func dialler(head []byte) string {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("X-Server-From")) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
