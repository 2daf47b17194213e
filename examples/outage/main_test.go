package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"
)

// TestMain is the etcd server when the tour starts the test binary as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == etcdCommand {
		if err := serveEtcd(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(m)
}
