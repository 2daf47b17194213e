package holdfastgin

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/health"
)

// probes are the handlers of Mount.
type probes struct {
	svc  *holdfast.Service
	opts MountOptions
}

// livez and readyz are for those who only want the status: no details, and the
// reasons of a failure.
func (p *probes) livez(c *gin.Context) {
	s := summary{group: health.Live, checks: p.ask(c, health.Live)}
	p.answer(c, &s)
}

func (p *probes) readyz(c *gin.Context) {
	s := p.readiness(c)
	p.answer(c, &s)
}

func (p *probes) live(c *gin.Context) {
	s := summary{group: health.Live, detailed: true, checks: p.ask(c, health.Live)}
	p.answer(c, &s)
}

func (p *probes) ready(c *gin.Context) {
	s := p.readiness(c)
	s.detailed, s.degraded = true, p.degraded()
	p.answer(c, &s)
}

func (p *probes) startup(c *gin.Context) {
	s := summary{group: health.Startup, detailed: true, life: p.lifecycle(c), checks: p.ask(c, health.Startup)}
	if s.life != nil && s.life.Phase() == PhaseStarting {
		s.phase = PhaseStarting.String()
	}
	p.answer(c, &s)
}

func (p *probes) health(c *gin.Context) {
	st := p.svc.Status()
	s := summary{detailed: true, life: p.lifecycle(c), phase: p.notReady(c), engines: &st, below: p.opts.below(st)}
	if p.opts.Checks != nil {
		s.checks = p.opts.Checks.All(c.Request.Context())
	}
	p.answer(c, &s)
}

// one is for a single detail, or for a group of the program's own.
func (p *probes) one(c *gin.Context) {
	name := c.Param("check")
	if d, ok := p.detail(c, name); ok {
		write(c, d.Status.code(), d)
		return
	}
	if p.opts.Checks == nil || !p.opts.Checks.HasGroup(name) {
		write(c, http.StatusNotFound, report{Status: unknown, Reasons: []string{"there is no check of this name"}})
		return
	}
	s := summary{group: name, detailed: true, checks: p.ask(c, name)}
	p.answer(c, &s)
}

// detail finds a single detail, if there is one that whoever asks may see.
func (p *probes) detail(c *gin.Context, name string) (detail, bool) {
	details, texts := p.mayRead(c)
	if !details {
		return detail{}, false
	}
	// What the engines know comes first, as it does in /health.
	all := make(map[string]detail)
	p.opts.describe(all, p.svc.Status(), texts)
	if life := p.lifecycle(c); life != nil {
		all[lifecycleName] = lifecycleDetail(life.Status())
	}
	if d, ok := all[name]; ok {
		return d, true
	}
	if p.opts.Checks == nil {
		return detail{}, false
	}
	st, ok := p.opts.Checks.Check(c.Request.Context(), unprefixed(all, name))
	if !ok {
		return detail{}, false
	}
	return checkDetail(st, texts), true
}

// readiness is what both endpoints of readiness say. A process that is not in its
// ready phase is not ready whatever its checks find, and asks none.
func (p *probes) readiness(c *gin.Context) summary {
	s := summary{group: health.Ready, life: p.lifecycle(c), phase: p.notReady(c)}
	if s.phase != "" {
		return s
	}
	s.checks = p.ask(c, health.Ready)
	if p.opts.requires() {
		st := p.svc.Status()
		s.engines, s.below = &st, p.opts.below(st)
	}
	return s
}

// degraded reports whether the engines are.
func (p *probes) degraded() bool { return p.svc.Status().Degraded }

// ask asks the program's checks.
func (p *probes) ask(c *gin.Context, group string) health.Report {
	if p.opts.Checks == nil {
		return health.Report{Status: health.Up}
	}
	return p.opts.Checks.Group(c.Request.Context(), group)
}

// mayRead says whether a request may see details, and the texts of errors.
func (p *probes) mayRead(c *gin.Context) (details, texts bool) {
	if p.opts.Details == DetailsNever {
		return false, false
	}
	texts = p.opts.Authorize != nil && p.opts.Authorize(c)
	return texts || p.opts.Details == DetailsAlways, texts
}

// lifecycle is the one to ask, nil if there is none.
func (p *probes) lifecycle(c *gin.Context) *Lifecycle {
	if p.opts.Lifecycle != nil {
		return p.opts.Lifecycle
	}
	return lifecycleOf(c.Request.Context())
}
