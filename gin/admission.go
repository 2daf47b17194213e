package holdfastgin

import (
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// AdmissionOptions say which requests [Admission] lets pass. The zero value refuses
// only while the process starts.
type AdmissionOptions struct {
	// Lifecycle says whether the process starts. Default: that of the server which
	// the request came in by; without one it counts as started.
	Lifecycle *Lifecycle
	// Of lists what must be good enough. Default: the configuration and the endpoints
	// of every service that svc looks for.
	Of []Part
	// RequireLevel is the worst level that will do. Default core.None: any.
	RequireLevel core.Level
	// MaxStale is the greatest age that will do; what is at level default or empty has
	// none, RequireLevel is for that. Default 0: any.
	MaxStale time.Duration
	// Refresh is as in [ProvenanceOptions].
	Refresh time.Duration
	// Problems says how requests are refused.
	Problems ProblemOptions
}

// Admission returns a middleware for routes that can't be answered with what is
// good enough for others: to take a payment by prices of yesterday, say. It refuses
// requests with a [Problem] of status 503, of the kind not-ready while the process
// starts, and of the kind stale while one of the parts is below RequireLevel or
// older than MaxStale.
//
// It never refuses because the process drains: who was sent here is served. It
// reads memory only. The handler is safe for concurrent use. A nil svc has no parts
// of its own.
func Admission(svc *holdfast.Service, opts AdmissionOptions) gin.HandlerFunc {
	opts.Problems = opts.Problems.withDefaults()
	parts := newProvenances(svc, opts.Of, opts.Refresh)
	return func(c *gin.Context) {
		life := opts.Lifecycle
		if life == nil {
			life = lifecycleOf(c.Request.Context())
		}
		if life != nil && life.Phase() == PhaseStarting {
			opts.refuse(c, errNotReady, provenance.Provenance{})
			return
		}
		if opts.RequireLevel == core.None && opts.MaxStale <= 0 {
			return
		}
		if now := parts.sample(); !opts.met(now) {
			opts.refuse(c, errStale, now)
		}
	}
}

// met reports whether what is known will do.
func (o AdmissionOptions) met(now provenance.Provenance) bool {
	if now.Level == core.None {
		return true // there are no parts
	}
	return now.Level.AtLeast(o.RequireLevel) && (o.MaxStale <= 0 || now.Age <= o.MaxStale)
}

// refuse answers instead of the handler.
func (o AdmissionOptions) refuse(c *gin.Context, why error, now provenance.Provenance) {
	p, again, _ := problemOf(why, o.Problems.TypeBase)
	p.Level = now.Level
	o.Problems.finish(c, &p, again)
	o.Problems.WriteProblem(c, p)
	c.Abort()
}
