package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
)

// listen listens on a free port of 127.0.0.1 below the range that outgoing
// connections use, so that the port is still free when a process comes back to
// it after being away.
func listen(ctx context.Context) (net.Listener, error) {
	var err error
	for range 50 {
		var ln net.Listener
		if ln, err = listenOn(ctx, fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))); err == nil {
			return ln, nil
		}
	}
	return nil, err
}

func listenOn(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", addr)
}
