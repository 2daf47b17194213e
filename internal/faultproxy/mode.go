package faultproxy

import "time"

// mode is what a proxy does to its connections. The zero value passes.
type mode struct {
	name       string
	refuse     bool          // no listener, and no connection
	reset      bool          // RST at once
	lose       [2]bool       // by direction: read and forget
	delay      time.Duration // before each chunk
	limit      int64         // bytes down per connection before it is reset; only if limited
	limited    bool
	generation int64 // counts changes, so that limits start anew
}

// direction of bytes through a connection.
type direction int

const (
	up   direction = iota // from the client to the server
	down                  // from the server to the client
)

// black says that nothing may reach the server or come back.
func (m mode) black() bool { return m.lose[up] && m.lose[down] }

// Pass forwards everything, listening again after Refuse. Connections that lost
// bytes while the proxy swallowed them can't go on and are reset.
func (p *Proxy) Pass() { p.set(mode{name: "pass"}) }

// Refuse is a server whose process is gone: connections are closed, and new ones
// are refused because nothing listens.
func (p *Proxy) Refuse() { p.set(mode{name: "refuse", refuse: true}) }

// Reset resets (RST) all connections, and each new one once it was accepted,
// which a client may see at its first read or still while it dials.
func (p *Proxy) Reset() { p.set(mode{name: "reset", reset: true}) }

// Blackhole is a machine that fell silent: connections stay open and new ones
// are accepted, but what either side sends, its end included, is lost.
func (p *Proxy) Blackhole() { p.set(mode{name: "blackhole", lose: [2]bool{true, true}}) }

// BlackholeUp loses what clients send, and still delivers what the server sends.
func (p *Proxy) BlackholeUp() { p.set(mode{name: "blackhole up", lose: [2]bool{up: true}}) }

// BlackholeDown loses what the server sends, and still delivers what clients
// send: their requests take effect and are never answered.
func (p *Proxy) BlackholeDown() { p.set(mode{name: "blackhole down", lose: [2]bool{down: true}}) }

// Slow forwards everything, each chunk of at most 32 KiB after a delay, in both
// directions: it adds twice the delay to a round trip, and limits throughput to
// 32 KiB per delay.
func (p *Proxy) Slow(delay time.Duration) { p.set(mode{name: "slow", delay: delay}) }

// ResetAfter passes n more bytes of the server's answers on each connection,
// those open now and those to come, and then resets (RST) it.
func (p *Proxy) ResetAfter(n int64) { p.set(mode{name: "reset after", limited: true, limit: n}) }
