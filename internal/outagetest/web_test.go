package outagetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
)

// webSpec is the Gin service of a child.
type webSpec struct {
	Service  string        // default orders
	Listen   string        // host:port
	Dir      string        // of the cache
	LameDuck time.Duration // negative is none
	Stuck    int           // hooks that never return
}

// order is what a web child answers.
type order struct {
	Instance string
	Items    int
}

// serveWeb runs what any main would: a service, an engine, Run.
func serveWeb(ctx context.Context, s childSpec) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	client, err := etcd.Dial(etcd.DialOptions{Endpoints: s.Endpoints, Logger: log})
	if err != nil {
		return err
	}
	store := file.New(s.Web.Dir, file.Options{})
	defer func() { err = errors.Join(err, store.Close(), client.Close()) }()
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: s.Service, TTL: ttl, Logger: log, Cache: store, StartBudget: 200 * time.Millisecond,
		Registry: client.Registry(etcd.RegistryOptions{}),
		Config:   client.ConfigSource(configPrefix, etcd.ConfigOptions{}),
	})
	if err != nil {
		return err
	}
	bound, err := holdfast.Bind(svc.Config(), "limits", limits{MaxItems: defaultItems})
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{}); err != nil {
		return err
	}
	answer := func(c *gin.Context) { c.JSON(http.StatusOK, order{s.ID, bound.Get().MaxItems}) }
	engine.GET("/order", answer)
	engine.POST("/order", answer)
	var underWay atomic.Int64
	engine.GET("/underway", func(c *gin.Context) { c.JSON(http.StatusOK, underWay.Load()) })
	engine.GET("/slow", func(c *gin.Context) {
		underWay.Add(1)
		defer underWay.Add(-1)
		timer := time.NewTimer(slowRequest)
		defer timer.Stop()
		select {
		case <-timer.C:
			answer(c)
		case <-c.Request.Context().Done():
			c.Status(http.StatusServiceUnavailable)
		}
	})
	engine.GET("/events", func(c *gin.Context) {
		c.Header("Content-Type", "text/event-stream")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				_, _ = fmt.Fprintf(c.Writer, "data: %s %d\n\n", s.ID, n)
				c.Writer.Flush()
			case <-c.Request.Context().Done():
				_, _ = fmt.Fprint(c.Writer, "data: bye\n\n")
				return
			}
		}
	})
	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{LameDuck: s.Web.LameDuck, Logger: log})
	for range s.Web.Stuck {
		life.OnStop("stuck", time.Hour, func(context.Context) error { select {} })
	}
	return holdfastgin.Run(ctx, svc, engine, s.Web.Listen, holdfastgin.RunOptions{
		Lifecycle: life, Logger: log, Instance: core.Instance{ID: s.ID},
	})
}

// slowRequest is how long /slow takes.
const slowRequest = time.Second
