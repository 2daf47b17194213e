package holdfastgin

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/prometheus/client_golang/prometheus"
)

// Details says who sees the details of /health.
type Details uint8

// Who sees details.
const (
	DetailsAlways     Details = iota // everybody
	DetailsAuthorized                // those whom MountOptions.Authorize lets
	DetailsNever                     // nobody
)

// MountOptions refine [Mount]. The zero value is right behind a firewall.
type MountOptions struct {
	// Lifecycle is what readiness asks whether the process is ready. Default: that
	// of the server which the request came in by, if [Run] or [Lifecycle.Attach]
	// gave it one, and otherwise none: then the process counts as ready.
	Lifecycle *Lifecycle
	// RequireLevel makes readiness fail while the configuration or the endpoints in
	// use are below it. Default core.None: any level will do.
	RequireLevel core.Level
	// MaxStale makes readiness fail while the configuration or the endpoints in use
	// are older. Those at level default or empty have no age; RequireLevel is for
	// them. Default 0: any age will do.
	MaxStale time.Duration
	// Details says who sees the details of /health. Default DetailsAlways.
	Details Details
	// Authorize lets a request see the texts of errors, which name keys, addresses
	// and backends, where others see their kind only; and the details, if Details is
	// DetailsAuthorized. Default: nobody.
	Authorize func(c *gin.Context) bool
	// Metrics is what /metrics shows, as [MetricsHandler] does: the registry of
	// [Metrics] and package metrics. Default none: there is no /metrics.
	Metrics prometheus.Gatherer
}

// Mount adds three endpoints for GET and HEAD, none of which ever asks a backend:
//
//   - /livez says 200 as long as the process answers at all.
//   - /readyz says 200 while the process is ready: not starting, not draining, and
//     no allowed level exceeded. A dead backend alone never makes it fail.
//   - /health says what /readyz says, as {"status":"UP","degraded":true,
//     "details":{"config":{"status":"UP","level":"memory",...},...}}. Each detail has
//     its level, age in seconds, since when, and reasons; never a value of the
//     configuration.
//
// A failing answer is 503 with status DOWN. No answer may be stored by a cache.
//
// Errors, all of kind [core.ErrInvalid]: a nil argument, a level that is none, or
// a route that is there already, by an earlier Mount say. Then routes may have
// been added that come before it in the order above.
func Mount(router gin.IRouter, svc *holdfast.Service, opts MountOptions) error {
	switch {
	case router == nil:
		return fmt.Errorf("holdfastgin: mount: %w: the router is nil", core.ErrInvalid)
	case svc == nil:
		return fmt.Errorf("holdfastgin: mount: %w: the service is nil; make one with holdfast.Start", core.ErrInvalid)
	case opts.RequireLevel > core.Empty:
		return fmt.Errorf("holdfastgin: mount: %w: RequireLevel is %v, which is no level", core.ErrInvalid, opts.RequireLevel)
	case opts.MaxStale < 0:
		return fmt.Errorf("holdfastgin: mount: %w: MaxStale is %v; give a positive time, or 0 for any age", core.ErrInvalid, opts.MaxStale)
	case opts.Details > DetailsNever:
		return fmt.Errorf("holdfastgin: mount: %w: Details is %d, which is none of its values", core.ErrInvalid, opts.Details)
	}
	p := &probes{svc: svc, opts: opts}
	for _, route := range []struct {
		path    string
		handler gin.HandlerFunc
	}{{"/livez", p.live}, {"/readyz", p.ready}, {"/health", p.health}} {
		if err := add(router, route.path, route.handler); err != nil {
			return fmt.Errorf("holdfastgin: mount: %w", err)
		}
	}
	return mountMetrics(router, opts.Metrics)
}

// add turns gin's panic about a route that is there already into an error.
func add(router gin.IRouter, path string, h gin.HandlerFunc) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %s can't be added to this router: %v", core.ErrInvalid, path, v)
		}
	}()
	router.GET(path, h)
	router.HEAD(path, h)
	return nil
}

// probes are the handlers.
type probes struct {
	svc  *holdfast.Service
	opts MountOptions
}

func (p *probes) live(c *gin.Context) { answer(c, report{Status: up}) }

func (p *probes) ready(c *gin.Context) {
	v := p.verdict(c)
	answer(c, report{Status: v.status(), Reasons: v.reasons})
}

func (p *probes) health(c *gin.Context) {
	v := p.verdict(c)
	st := p.svc.Status()
	r := report{Status: v.status(), Degraded: st.Degraded, Reasons: v.reasons}
	authorized := p.opts.Authorize != nil && p.opts.Authorize(c)
	if p.opts.Details == DetailsAlways || p.opts.Details == DetailsAuthorized && authorized {
		r.Details = details(st, p.opts, authorized)
		if life := p.lifecycle(c); life != nil {
			r.Details["lifecycle"] = lifecycleDetail(life.Status())
		}
	}
	answer(c, r)
}

// lifecycle is the one to ask, nil if there is none.
func (p *probes) lifecycle(c *gin.Context) *Lifecycle {
	if p.opts.Lifecycle != nil {
		return p.opts.Lifecycle
	}
	return lifecycleOf(c.Request.Context())
}

func answer(c *gin.Context, r report) {
	code := http.StatusOK
	if r.Status != up {
		code = http.StatusServiceUnavailable
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(code, r)
}
