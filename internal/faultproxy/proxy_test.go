package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/loopback"
)

const (
	limit  = 10 * time.Second       // for what must happen
	silent = 100 * time.Millisecond // for what must not
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo runs a server that sends back what it receives, after its greeting.
func echo(t *testing.T, greeting string) string {
	t.Helper()
	l, err := loopback.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, greeting)
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{Timeout: limit}).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(limit))
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func wantSilence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(silent))
	var b [1]byte
	if n, err := c.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want silence", n, err)
	}
}

func wantEnd(t *testing.T, c net.Conn, want error) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(limit))
	var b [1]byte
	if n, err := c.Read(b[:]); !errors.Is(err, want) {
		t.Fatalf("read %d bytes, %v; want %v", n, err, want)
	}
}

// wantReset dials; the RST may come before the dial has returned.
func wantReset(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: limit}).DialContext(t.Context(), "tcp", p.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatalf("dial: %v; want a connection or its reset", err)
	}
	defer func() { _ = c.Close() }()
	wantEnd(t, c, syscall.ECONNRESET)
}

func wantEcho(t *testing.T, c net.Conn) {
	t.Helper()
	send(t, c, "ping")
	wantRead(t, c, "ping")
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not after %v: %s", limit, what)
		}
	}
}

func TestPass_ForwardsAndCounts(t *testing.T) {
	p := New(t, echo(t, "hello"))
	c := dial(t, p)
	wantRead(t, c, "hello")
	wantEcho(t, c)
	if p.Conns() != 1 || p.Accepted() != 1 || p.UpBytes() != 4 || p.DownBytes() != 9 {
		t.Fatalf("conns %d, accepted %d, up %d, down %d; want 1, 1, 4, 9", p.Conns(), p.Accepted(), p.UpBytes(), p.DownBytes())
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c, io.EOF)
	until(t, "no connection is left", func() bool { return p.Conns() == 0 })
}

func TestRefuse_EndsAndRefusesUntilPass(t *testing.T) {
	p := New(t, echo(t, ""))
	c := dial(t, p)
	wantEcho(t, c)
	p.Refuse()
	wantEnd(t, c, io.EOF)
	refused, err := (&net.Dialer{Timeout: limit}).DialContext(t.Context(), "tcp", p.Addr())
	if err == nil {
		_ = refused.Close()
		t.Fatal("a connection was accepted; want it refused")
	}
	p.Pass()
	wantEcho(t, dial(t, p))
}

func TestReset_ResetsOldAndNew(t *testing.T) {
	p := New(t, echo(t, ""))
	c := dial(t, p)
	wantEcho(t, c)
	p.Reset()
	wantEnd(t, c, syscall.ECONNRESET)
	wantReset(t, p)
	p.Pass()
	wantEcho(t, dial(t, p))
}

func TestBlackhole_SwallowsOldAndNewAndResetsThemWhenItEnds(t *testing.T) {
	p := New(t, echo(t, ""))
	idle, old := dial(t, p), dial(t, p)
	wantEcho(t, idle)
	wantEcho(t, old)
	p.Blackhole()
	fresh := dial(t, p)
	send(t, old, "lost")
	send(t, fresh, "lost")
	wantSilence(t, old)
	wantSilence(t, fresh)
	until(t, "the new connection was accepted", func() bool { return p.Conns() == 3 })
	if p.UpBytes() != 8 {
		t.Fatalf("%d bytes reached the server; want 8", p.UpBytes())
	}
	p.Pass()
	wantEnd(t, old, syscall.ECONNRESET)
	wantEnd(t, fresh, syscall.ECONNRESET)
	wantEcho(t, idle) // it lost nothing
}

func TestBlackholeUp_StillDelivers(t *testing.T) {
	p := New(t, echo(t, "hello"))
	p.BlackholeUp()
	c := dial(t, p)
	send(t, c, "lost")
	wantRead(t, c, "hello")
	wantSilence(t, c)
	if p.UpBytes() != 0 {
		t.Fatalf("%d bytes reached the server; want none", p.UpBytes())
	}
}

func TestBlackholeDown_StillSends(t *testing.T) {
	p := New(t, echo(t, "hello"))
	p.BlackholeDown()
	c := dial(t, p)
	send(t, c, "heard")
	until(t, "the server was told", func() bool { return p.UpBytes() == 5 })
	wantSilence(t, c)
	if p.DownBytes() != 0 {
		t.Fatalf("%d bytes came back; want none", p.DownBytes())
	}
}

func TestSlow_DelaysBothWays(t *testing.T) {
	const delay = 50 * time.Millisecond
	p := New(t, echo(t, ""))
	p.Slow(delay)
	c := dial(t, p)
	began := time.Now()
	wantEcho(t, c)
	if took := time.Since(began); took < 2*delay {
		t.Fatalf("the echo took %v; want %v at least", took, 2*delay)
	}
}

func TestResetAfter_PassesExactlySoMuch(t *testing.T) {
	p := New(t, echo(t, ""))
	c := dial(t, p)
	wantEcho(t, c)
	p.ResetAfter(6)
	send(t, c, "12345678")
	until(t, "six bytes came through", func() bool { return p.DownBytes() == 10 })
	until(t, "the connection is gone", func() bool { return p.Conns() == 0 })
	wantRead(t, c, "123456")
	wantEnd(t, c, syscall.ECONNRESET)
}

func TestSetUpstream_SendsNewConnectionsElsewhere(t *testing.T) {
	p := New(t, echo(t, "a"))
	old := dial(t, p)
	wantRead(t, old, "a")
	p.SetUpstream(echo(t, "b"))
	wantEcho(t, old)
	wantRead(t, dial(t, p), "b")
	p.Drop()
	wantEnd(t, old, syscall.ECONNRESET)
}

func TestServe_WithoutUpstreamResets(t *testing.T) {
	free, err := loopback.Addr(t.Context(), loopback.Host())
	if err != nil {
		t.Fatal(err)
	}
	wantReset(t, New(t, free))
}
