package faultproxy

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const chunk = 32 << 10

// Socket is a client's connection: a *net.TCPConn, or one whose first bytes were
// read already and are read again.
type Socket interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// conn is one client's connection and its other half to the upstream.
type conn struct {
	proxy  *Proxy
	client Socket
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	mu     sync.Mutex
	server *net.TCPConn // nil until dialled
	ended  bool
	lost   bool // bytes, or an end, were swallowed
	spent  int64
	since  int64 // generation of the mode that spent counts for
}

// Serve takes a connection over as if the proxy's listener had accepted it: it
// returns at once, and the connection ends as the mode says, at the latest with
// Close. In the modes Refuse and Reset, after Close, and above 4096 connections
// it is reset.
func (p *Proxy) Serve(client Socket) {
	p.accepted.Add(1)
	ctx, cancel := context.WithCancel(p.ctx)
	c := &conn{proxy: p, client: client, ctx: ctx, cancel: cancel}
	p.mu.Lock()
	if p.closed || p.mode.refuse || p.mode.reset || len(p.conns) >= maxConns {
		p.mu.Unlock()
		c.reset()
		return
	}
	p.conns[c] = struct{}{}
	p.wg.Add(1) // under mu: Close sets closed before it waits
	p.mu.Unlock()
	go func() {
		defer p.wg.Done()
		c.run()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
}

func (c *conn) run() {
	defer c.close()
	if m, changed := c.proxy.current(); m.black() {
		// There is no way to the server. What the client sends meanwhile waits unread
		// in the kernel, as good as lost.
		c.lose()
		select {
		case <-changed:
			c.reset()
		case <-c.ctx.Done():
		}
		return
	}
	server, err := c.dial()
	if err != nil {
		c.reset()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.pump(up, server, c.client) })
	wg.Go(func() { c.pump(down, c.client, server) })
	wg.Wait()
}

func (c *conn) dial() (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: dialLimit}
	dialled, err := dialer.DialContext(c.ctx, "tcp", c.proxy.Upstream())
	if err != nil {
		return nil, err
	}
	server, ok := dialled.(*net.TCPConn)
	if !ok {
		_ = dialled.Close()
		return nil, net.UnknownNetworkError("not tcp")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = server
	if c.ended {
		_ = server.Close()
		return nil, net.ErrClosed
	}
	return server, nil
}

// pump moves bytes in one direction until the connection or this half of it ends.
func (c *conn) pump(d direction, to, from Socket) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !c.forward(d, to, buffer[:n]) {
			return
		}
		if err != nil {
			c.finish(d, to, err)
			return
		}
	}
}

// forward does to a chunk what the mode says; false ends the pump.
func (c *conn) forward(d direction, to net.Conn, b []byte) bool {
	m, changed := c.proxy.current()
	if m.delay > 0 && !m.lose[d] {
		timer := time.NewTimer(m.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-changed:
		case <-c.ctx.Done():
			return false
		}
		m, _ = c.proxy.current()
	}
	switch {
	case m.lose[d]:
		c.lose()
		return true
	case m.limited && d == down:
		allowed, over := c.allow(m, int64(len(b)))
		ok := allowed == 0 || c.write(d, to, b[:allowed])
		if over {
			c.reset()
			return false
		}
		return ok
	default:
		return c.write(d, to, b)
	}
}

func (c *conn) write(d direction, to net.Conn, b []byte) bool {
	n, err := to.Write(b)
	if d == up {
		c.proxy.upBytes.Add(int64(n))
	} else {
		c.proxy.dBytes.Add(int64(n))
	}
	if err != nil {
		c.reset() // the other side is to learn that this one is gone
		return false
	}
	return true
}

// allow counts n bytes down against the limit of m.
func (c *conn) allow(m mode, n int64) (allowed int64, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since != m.generation {
		c.since, c.spent = m.generation, 0
	}
	allowed = min(n, m.limit-c.spent)
	c.spent += allowed
	return allowed, c.spent >= m.limit
}

// finish passes the end of one half on, unless the mode loses it.
func (c *conn) finish(d direction, to Socket, err error) {
	m, _ := c.proxy.current()
	if m.lose[d] {
		c.lose()
		<-c.ctx.Done() // the next mode resets what lost something
		return
	}
	if err != io.EOF { //nolint:errorlint // Read returns io.EOF itself.
		c.reset()
		return
	}
	_ = to.CloseWrite()
}

func (c *conn) lose() {
	c.mu.Lock()
	c.lost = true
	c.mu.Unlock()
	// The mode may have changed, and apply missed the loss, since it was asked.
	if m, _ := c.proxy.current(); !m.lose[up] && !m.lose[down] {
		c.reset()
	}
}

// apply is called for each connection once the mode has changed.
func (c *conn) apply(m mode) {
	c.mu.Lock()
	lost := c.lost
	c.mu.Unlock()
	switch {
	case m.refuse:
		c.close()
	case m.reset, lost && !m.lose[up] && !m.lose[down]:
		c.reset()
	case m.limited && m.limit <= 0:
		c.reset()
	}
}

func (c *conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		// Close then sends RST instead of FIN.
		_ = c.client.SetLinger(0)
		if c.server != nil {
			_ = c.server.SetLinger(0)
		}
	}
	c.end()
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

func (c *conn) end() {
	if c.ended {
		return
	}
	c.ended = true
	c.cancel()
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}
