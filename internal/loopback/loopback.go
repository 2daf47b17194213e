// Package loopback finds addresses for servers that tests run.
//
// Packages are tested in parallel, so a port that was free a moment ago may be
// taken by another process. On Linux every address of 127.0.0.0/8 is this
// machine; a server that listens on one of its own at random, on a port below
// the range of outgoing connections, meets nobody there, and finds its port
// still free when it comes back after being away.
package loopback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
)

const (
	firstPort = 10000
	lastPort  = 29999
	tries     = 20
)

// Host returns an address of this machine for one server: a random one of
// 127.2.0.1 to 127.250.255.254 on Linux, 127.0.0.1 elsewhere.
func Host() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 2+rand.IntN(249), rand.IntN(256), 1+rand.IntN(254))
}

// Addr returns an address, host:port, on host that nothing listens on now. It
// reserves nothing: whoever listens there must be ready to ask again when the
// address is in use after all, which on Linux and with a host of [Host] hardly
// ever happens.
func Addr(ctx context.Context, host string) (string, error) {
	l, err := listenOn(ctx, host)
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("loopback: close %s: %w", addr, err)
	}
	return addr, nil
}

// Listen listens on a free port of a [Host] of its own. The caller closes the
// listener.
func Listen(ctx context.Context) (net.Listener, error) {
	return listenOn(ctx, Host())
}

func listenOn(ctx context.Context, host string) (net.Listener, error) {
	var config net.ListenConfig
	var err error
	for range tries {
		port := 0
		if runtime.GOOS == "linux" {
			port = firstPort + rand.IntN(lastPort-firstPort+1)
		}
		var l net.Listener
		l, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("loopback: no free port on %s: %w", host, err)
}
