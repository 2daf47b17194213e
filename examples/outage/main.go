// Command outage is a tour of what Holdfast is for: two Gin services on a real
// etcd, which is killed under load, and both of which go on serving, start anew
// without it, and heal.
//
//	go -C examples run ./outage
//
// It needs nothing but loopback ports and a temporary directory, which it
// removes. It exits with 0 if every step held and no HTTP request failed, and
// takes less than a minute.
//
// The etcd server is the embedded one of go.etcd.io/etcd/server/v3, in a process
// of its own: this program, started a second time. That is what makes the kill
// an honest one: SIGKILL, no goodbye to anybody, and the data as it lies on disk.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

// wholeTour bounds the tour, whatever happens.
const wholeTour = 90 * time.Second

func main() {
	os.Exit(run())
}

func run() int {
	if len(os.Args) > 1 && os.Args[1] == etcdCommand {
		if err := serveEtcd(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			return 1
		}
		return 0
	}
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, wholeTour, fmt.Errorf("the tour took longer than %v", wholeTour))
	defer cancel()
	held, err := takeTour(ctx, os.Stdout)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		fmt.Println("interrupted")
		return 1
	case err != nil:
		fmt.Println("the tour could not go on:", err)
		return 1
	case !held:
		return 1
	}
	return 0
}
