package holdfastgin

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/health"
)

// probes are the handlers of Mount.
type probes struct {
	svc        *holdfast.Service
	opts       MountOptions
	all, ready bodies
}

// livez and readyz are for those who only want the status: no details, and the
// reasons of a failure.
func (p *probes) livez(c *gin.Context) {
	p.brief(c, &summary{group: health.Live, checks: p.ask(c, health.Live)})
}

func (p *probes) readyz(c *gin.Context) {
	s := p.readiness(c)
	if s.phase == "" && p.opts.requires() {
		st := p.svc.Status()
		s.below = p.opts.below(st)
	}
	p.brief(c, s)
}

func (p *probes) healthLive(c *gin.Context) {
	p.detailed(c, p.sight(c), &summary{group: health.Live, checks: p.ask(c, health.Live)})
}

func (p *probes) healthReady(c *gin.Context) {
	s, as := p.readiness(c), p.sight(c)
	if p.ready.again(c, as, s, p.opts.Refresh) {
		return
	}
	st := p.svc.Status()
	s.degraded = st.Degraded
	if p.opts.requires() {
		s.engines, s.below = &st, p.opts.below(st)
	}
	code, text := p.detailed(c, as, s)
	p.ready.keep(as, s, code, text)
}

func (p *probes) healthStartup(c *gin.Context) {
	s := &summary{group: health.Startup, life: p.lifecycle(c), checks: p.ask(c, health.Startup)}
	if s.life != nil && s.life.Phase() == PhaseStarting {
		s.phase = PhaseStarting.String()
	}
	p.detailed(c, p.sight(c), s)
}

func (p *probes) health(c *gin.Context) {
	s, as := &summary{life: p.lifecycle(c), phase: p.notReady(c)}, p.sight(c)
	if p.opts.Checks != nil {
		s.checks = p.opts.Checks.All(c.Request.Context())
	}
	if p.all.again(c, as, s, p.opts.Refresh) {
		return
	}
	st := p.svc.Status()
	s.engines, s.degraded, s.below = &st, st.Degraded, p.opts.below(st)
	code, text := p.detailed(c, as, s)
	p.all.keep(as, s, code, text)
}

// healthOne is for a single detail, or for a group of the program's own.
func (p *probes) healthOne(c *gin.Context) {
	name, as := c.Param("check"), p.sight(c)
	if as != sightless {
		if d, ok := p.detail(c, name, as); ok {
			write(c, d.Status.code(), d)
			return
		}
	}
	if p.opts.Checks == nil || !p.opts.Checks.HasGroup(name) {
		write(c, http.StatusNotFound, report{Status: unknown, Reasons: []string{"there is no check of this name"}})
		return
	}
	p.detailed(c, as, &summary{group: name, checks: p.ask(c, name)})
}

// detail finds a single detail.
func (p *probes) detail(c *gin.Context, name string, as sight) (detail, bool) {
	// What the engines know comes first, as it does in /health.
	var taken map[string]detail
	if ofEngines(name) {
		taken = make(map[string]detail)
		p.opts.describe(taken, p.svc.Status(), as == seesTexts)
		if life := p.lifecycle(c); life != nil {
			taken[lifecycleName] = lifecycleDetail(life.Status())
		}
		if d, ok := taken[name]; ok {
			return d, true
		}
	}
	if p.opts.Checks == nil {
		return detail{}, false
	}
	st, ok := p.opts.Checks.Check(c.Request.Context(), unprefixed(taken, name))
	if !ok {
		return detail{}, false
	}
	return checkDetail(st, as == seesTexts), true
}

// ofEngines reports whether the engines may have a detail of this name, with or
// without the prefix.
func ofEngines(name string) bool {
	name = strings.TrimPrefix(name, checkPrefix)
	kind, _, _ := strings.Cut(name, ":")
	switch kind {
	case "config", "endpoints", "announcement", "cache", lifecycleName:
		return true
	}
	return false
}

// readiness is what both endpoints of readiness follow from, the engines left out.
// A process that is not in its ready phase is not ready whatever its checks find,
// and asks none.
func (p *probes) readiness(c *gin.Context) *summary {
	s := &summary{group: health.Ready, life: p.lifecycle(c), phase: p.notReady(c)}
	if s.phase == "" {
		s.checks = p.ask(c, health.Ready)
	}
	return s
}

// ask asks the program's checks.
func (p *probes) ask(c *gin.Context, group string) health.Report {
	if p.opts.Checks == nil {
		return health.Report{Status: health.Up}
	}
	return p.opts.Checks.Group(c.Request.Context(), group)
}

// lifecycle is the one to ask, nil if there is none.
func (p *probes) lifecycle(c *gin.Context) *Lifecycle {
	if p.opts.Lifecycle != nil {
		return p.opts.Lifecycle
	}
	return lifecycleOf(c.Request.Context())
}
