package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
)

// ttl is how long peers see an instance that died without a word.
const ttl = 5 * time.Second

// program is what a service does: it adds its routes to an engine.
type program func(svc *holdfast.Service, engine *gin.Engine) error

// node is one running service with all it has for itself: client, cache folder,
// port. It shares nothing with the other nodes but the machine, as if it ran in a
// process of its own.
type node struct {
	label string // "inventory-1"
	url   string
	svc   *holdfast.Service
	took  time.Duration // from before Start until it served

	stop   context.CancelFunc
	ended  chan error
	client *etcd.Client
	store  *file.Store
}

// startNode starts a service: what any main would do, in the same order.
func startNode(ctx context.Context, etcdURL, folder, name, label string, ln net.Listener, p program) (*node, error) {
	began := time.Now()
	quiet := slog.New(slog.DiscardHandler)
	client, err := etcd.Dial(etcd.DialOptions{Endpoints: []string{etcdURL}})
	if err != nil {
		return nil, err
	}
	store := file.New(filepath.Join(folder, label), file.Options{})
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: name, Version: "1.0.0",
		Registry: client.Registry(etcd.RegistryOptions{}),
		Config:   client.ConfigSource("/config/"+name+"/", etcd.ConfigOptions{}),
		Cache:    store,
		TTL:      ttl, Logger: quiet,
		StartBudget: 100 * time.Millisecond, // what is best by then is served; the rest goes on behind
	})
	if err != nil {
		return nil, errors.Join(err, client.Close(), store.Close())
	}
	n := &node{label: label, url: "http://" + ln.Addr().String(), svc: svc, client: client, store: store, ended: make(chan error, 1)}
	engine := gin.New()
	err = errors.Join(p(svc, engine), holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{}))
	if err != nil {
		return nil, errors.Join(err, svc.Close(ctx), client.Close(), store.Close())
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	go func() {
		n.ended <- holdfastgin.Run(life, svc, engine, "", holdfastgin.RunOptions{
			Listener: ln, NoSignals: true, Logger: quiet,
			Instance: core.Instance{Metadata: map[string]string{"label": label}},
			// A pod would keep the defaults; the tour is in a hurry.
			Stop: holdfastgin.LifecycleOptions{DrainTimeout: 500 * time.Millisecond, LameDuck: 300 * time.Millisecond, DeregisterTimeout: 500 * time.Millisecond},
		})
	}()
	if err := until(ctx, label+" serves", func() bool { return get(ctx, n.url+"/readyz").code == http.StatusOK }); err != nil {
		return nil, errors.Join(err, n.end())
	}
	n.took = time.Since(began)
	return n, nil
}

// end stops the node as SIGTERM does, and awaits it.
func (n *node) end() error {
	n.stop()
	return errors.Join(<-n.ended, n.client.Close(), n.store.Close())
}

// registered reports whether the registry has confirmed the node's instance.
func (n *node) registered() bool {
	for _, a := range n.svc.Status().Announcements {
		if a.State != holdfast.StateRegistered {
			return false
		}
	}
	return true
}

// at reports whether the node is at a level.
func (n *node) at(level core.Level) bool { return n.svc.Status().Level == level }

// age is how old what the node knows is: that of its level.
func (n *node) age() time.Duration {
	st := n.svc.Status()
	age := st.Config.Age
	for _, e := range st.Endpoints {
		age = max(age, e.Age)
	}
	return age
}

// until waits for a condition, and says what did not come.
func until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTime, fmt.Errorf("waited %v in vain: %s", stepTime, what))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// stepTime bounds each wait.
const stepTime = 20 * time.Second
