package metrics

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
	"github.com/holdfast-go/holdfast/system"
)

// BackendChain is the label chain of holdfast.Options.Policy.
const BackendChain = "backend"

// Fallback is what a *[policy.Fallback] tells, whatever its types.
type Fallback interface {
	// Stats returns what it has done and does.
	Stats() policy.FallbackStats
}

// Checks is what health checks tell. It names no type of a package of this
// module, so that whoever runs checks can implement it without importing any.
type Checks interface {
	// EachCheck calls f once for each check, one after another, and returns: with its
	// name, whether it is well, how long its last run took and when that ended. A
	// check that has not run yet has a zero time, and is not shown. It must not wait
	// for a run.
	EachCheck(f func(name string, up bool, took time.Duration, at time.Time))
}

// Options refine [New]. The zero value shows the service alone. The maps are
// copied.
type Options struct {
	// Chains are the program's own chains by name; the name [BackendChain] is taken.
	// Default none.
	Chains map[string]*policy.Chain
	// Fallbacks are the program's fallbacks by name. Default none.
	Fallbacks map[string]Fallback
	// Phases tells in which phase of its life the process is, and which there are:
	// the method Phases of a *holdfastgin.Lifecycle. Default none.
	Phases func() (now string, all []string)
	// Checks are the health checks; with Gin, holdfastgin.CheckMetrics of a
	// *health.Set. Default none.
	Checks Checks
	// System is the sampler of CPU, memory, load and disks. Default none.
	System *system.Sampler
}

// Collector is a prometheus.Collector that shows one service. It holds no state
// between scrapes and starts no goroutine; it never touches the network, and is
// safe for concurrent use. Two services in one process need registries that tell
// them apart, by prometheus.WrapRegistererWith.
type Collector struct {
	status   func() holdfast.Status
	opts     Options
	chains   []string // sorted
	falls    []string
	versions [8]string
	*families
}

var _ prometheus.Collector = (*Collector)(nil)

// New makes the collector of svc; register it with the program's own registry.
// After the service has closed it shows what was known last, at level memory.
//
// Errors, all of kind [core.ErrInvalid]: svc or a fallback is nil, or one of
// Chains has the name [BackendChain].
func New(svc *holdfast.Service, opts Options) (*Collector, error) {
	if svc == nil {
		return nil, fmt.Errorf("metrics: %w: the service is nil; make one with holdfast.Start", core.ErrInvalid)
	}
	opts.Chains, opts.Fallbacks = maps.Clone(opts.Chains), maps.Clone(opts.Fallbacks)
	if _, taken := opts.Chains[BackendChain]; taken {
		return nil, fmt.Errorf("metrics: %w: Options.Chains has the name %q, which is that of holdfast.Options.Policy", core.ErrInvalid, BackendChain)
	}
	for name, f := range opts.Fallbacks {
		if f == nil {
			return nil, fmt.Errorf("metrics: %w: Options.Fallbacks holds nil as %q", core.ErrInvalid, name)
		}
	}
	st := svc.Status()
	return &Collector{
		status: svc.Status, opts: opts, families: newFamilies(),
		chains: slices.Sorted(maps.Keys(opts.Chains)), falls: slices.Sorted(maps.Keys(opts.Fallbacks)),
		versions: [...]string{"service", st.Name, "service_version", st.Version, "holdfast_version", version(), "go_version", runtime.Version()},
	}, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.all {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector: one picture of the service.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s, st := &scrape{ch: ch}, c.status()
	c.service(s, st)
	c.config(s, st.Config)
	c.endpoints(s, st.Endpoints)
	c.announcements(s, st.Announcements)
	c.cache(s, st.Cache)
	if st.Policy.Layers != nil {
		c.chain(s, BackendChain, st.Policy)
	}
	for _, name := range c.chains {
		c.chain(s, name, c.opts.Chains[name].State())
	}
	for _, name := range c.falls {
		c.fallback(s, name, c.opts.Fallbacks[name].Stats())
	}
	c.life(s)
	c.system(s)
}

// version is that of this module in the program.
func version() string {
	const module = "github.com/holdfast-go/holdfast"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path != module {
			continue
		}
		if m.Replace != nil && m.Replace.Version != "" {
			m = m.Replace
		}
		if m.Version != "" {
			return m.Version
		}
	}
	return "unknown"
}
