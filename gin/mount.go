package holdfastgin

import (
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
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
	// Checks are the program's own, which count beside what the engines know of
	// themselves. They stay the caller's: close them after the server. Default none.
	Checks *health.Set
	// Details says who sees details: those in the bodies, reasons that name a part,
	// and /health/{check} for a single one. Default DetailsAlways.
	Details Details
	// Authorize lets a request see the texts of errors, which name keys, addresses
	// and backends, where others see their kind only; and the details, if Details is
	// DetailsAuthorized. Default: nobody.
	Authorize func(c *gin.Context) bool
	// Refresh is how old the body of /health and of /health/ready may be as far as it
	// speaks of the engines; the life of the process and the checks are those of the
	// moment. Default 100 ms; negative is not at all.
	Refresh time.Duration
	// Metrics is what /metrics shows, as [MetricsHandler] does: the registry of
	// [Metrics] and package metrics. Default none: there is no /metrics.
	Metrics prometheus.Gatherer
}

// Mount adds these endpoints, for GET and HEAD. None ever asks a backend; they ask
// the checks in opts.Checks, whose outcomes serve for a while, and each takes as
// long as the slowest check at most.
//
//   - /livez says 200 as long as the process answers and no critical check of the
//     group live is DOWN. Neither a backend nor draining ever makes it fail.
//   - /readyz says 200 while the process is ready: not starting, not draining, no
//     allowed level exceeded, and no critical check of the group ready DOWN. A dead
//     backend alone never makes it fail.
//   - /health says what /readyz says, and counts every check whatever its groups, as
//     {"status":"UP","degraded":true,"details":{"config":{"status":"UP",
//     "level":"memory",...},"db":{"status":"UP",...},...}}. Each detail of the engines
//     has its level, age in seconds, since when, and reasons; never a value of the
//     configuration.
//   - /health/live and /health/ready say what /livez and /readyz say, with the details
//     that it follows from.
//   - /health/startup says 200 once the process has started and each critical check of
//     the group startup was UP once.
//   - /health/{check} says how one detail of /health does, by its name, or a group of
//     the program's own. It is 404 for others, and for a single detail where details
//     may not be seen. A name with a slash must be escaped, which gin understands with
//     UseRawPath alone.
//
// A failing answer is 503 with status DOWN. No answer may be stored by a cache.
//
// Errors, all of kind [core.ErrInvalid]: a nil argument, a level that is none, or
// a route that is there already, by an earlier Mount say. Then routes may have
// been added that come before it in the order /livez, /readyz, /health.
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
	if opts.Refresh == 0 {
		opts.Refresh = 100 * time.Millisecond
	}
	p := &probes{svc: svc, opts: opts}
	for _, route := range []struct {
		path    string
		handler gin.HandlerFunc
	}{
		{"/livez", p.livez},
		{"/readyz", p.readyz},
		{"/health", p.health},
		{"/health/live", p.healthLive},
		{"/health/ready", p.healthReady},
		{"/health/startup", p.healthStartup},
		{"/health/:check", p.healthOne},
	} {
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
