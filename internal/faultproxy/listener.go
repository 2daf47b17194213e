package faultproxy

import (
	"context"
	"net"
	"time"
)

// listen accepts connections of l until unlisten. Called with changing held, or
// before anybody else knows the proxy.
func (p *Proxy) listen(l net.Listener) {
	ended := make(chan struct{})
	p.mu.Lock()
	p.listener, p.accepting = l, ended
	p.mu.Unlock()
	p.wg.Go(func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by unlisten
			}
			if tcp, ok := c.(*net.TCPConn); ok {
				p.Serve(tcp)
			}
		}
	})
}

// unlisten returns when nothing listens and nothing is accepted any more.
func (p *Proxy) unlisten() {
	p.mu.Lock()
	l, ended := p.listener, p.accepting
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close()
		<-ended
	}
}

// relisten listens on the address of the proxy again if it doesn't.
func (p *Proxy) relisten() error {
	p.mu.Lock()
	listening := p.listener != nil
	p.mu.Unlock()
	if listening || p.addr == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, listenLimit)
	defer cancel()
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", p.addr)
		if err == nil {
			p.listen(l)
			return nil
		}
		// Outside Linux another process may hold the port for a moment.
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
