package conformance

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// valve relays TCP connections and can keep back what clients send, so that a
// write is applied long after its client gave up.
type valve struct {
	t        testing.TB
	listener net.Listener
	upstream string
	wg       sync.WaitGroup

	mu      sync.Mutex
	holding bool
	held    []*pipe
	pipes   map[*pipe]struct{}
}

type pipe struct {
	client, server net.Conn

	mu      sync.Mutex
	kept    []byte
	holding bool
}

func newValve(t testing.TB, upstream string) *valve {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{t: t, listener: l, upstream: upstream, pipes: map[*pipe]struct{}{}}
	v.wg.Go(v.accept)
	t.Cleanup(v.close)
	return v
}

func (v *valve) addr() string { return v.listener.Addr().String() }

func (v *valve) accept() {
	for {
		client, err := v.listener.Accept()
		if err != nil {
			return
		}
		v.wg.Go(func() { v.serve(client) })
	}
}

func (v *valve) serve(client net.Conn) {
	var dialer net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	server, err := dialer.DialContext(ctx, "tcp", v.upstream)
	cancel()
	if err != nil {
		_ = client.Close()
		return
	}
	p := &pipe{client: client, server: server}
	v.mu.Lock()
	v.pipes[p] = struct{}{}
	if v.holding {
		p.holding = true
		v.held = append(v.held, p)
	}
	v.mu.Unlock()
	v.wg.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
		_, _ = io.Copy(io.Discard, server)
	})
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.Read(buffer)
		if err == nil {
			err = p.send(buffer[:n])
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	holding := p.holding
	p.mu.Unlock()
	if !holding {
		_ = server.Close()
		_ = client.Close()
	}
}

func (p *pipe) send(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holding {
		p.kept = append(p.kept, b...)
		return nil
	}
	_, err := p.server.Write(b)
	return err
}

// hold keeps back what is sent from now on.
func (v *valve) hold() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding, v.held = true, nil
	for p := range v.pipes {
		p.mu.Lock()
		p.holding = true
		p.mu.Unlock()
		v.held = append(v.held, p)
	}
}

// pass lets new connections through; those held end for their clients alone.
func (v *valve) pass() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = false
	for _, p := range v.held {
		_ = p.client.Close()
		delete(v.pipes, p)
	}
}

// release sends what was held.
func (v *valve) release() {
	v.mu.Lock()
	held := v.held
	v.held = nil
	v.mu.Unlock()
	for _, p := range held {
		p.mu.Lock()
		_, _ = p.server.Write(p.kept)
		p.mu.Unlock()
	}
	// etcd applies requests of a connection within milliseconds; half a second of
	// patience is what "applied" rests on here.
	<-time.After(500 * time.Millisecond)
	for _, p := range held {
		_ = p.server.Close()
	}
}

func (v *valve) close() {
	_ = v.listener.Close()
	v.mu.Lock()
	for p := range v.pipes {
		_ = p.client.Close()
		_ = p.server.Close()
	}
	for _, p := range v.held {
		_ = p.client.Close()
		_ = p.server.Close()
	}
	v.mu.Unlock()
	v.wg.Wait()
}
