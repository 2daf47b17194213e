package holdfastgin

import (
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// verdict is what readiness says: ready if there is no reason against it.
type verdict struct{ reasons []string }

func (v verdict) status() condition {
	if len(v.reasons) > 0 {
		return down
	}
	return up
}

// verdict asks the life, and the service only if a level or an age is required.
func (p *probes) verdict(c *gin.Context) verdict {
	var v verdict
	if life := p.lifecycle(c); life != nil {
		if phase := life.Phase(); phase != PhaseReady {
			v.reasons = append(v.reasons, phase.String())
		}
	}
	if p.opts.RequireLevel == core.None && p.opts.MaxStale == 0 {
		return v
	}
	st := p.svc.Status()
	if st.Config.Origin != "" {
		v.reasons = append(v.reasons, p.opts.against("config", st.Config.Level, st.Config.Age)...)
	}
	for _, e := range st.Endpoints {
		v.reasons = append(v.reasons, p.opts.against(endpointsName(e), e.Level, e.Age)...)
	}
	return v
}

// against lists what speaks against a part at a level.
func (o MountOptions) against(part string, level core.Level, age time.Duration) []string {
	var reasons []string
	if !level.AtLeast(o.RequireLevel) {
		reasons = append(reasons, fmt.Sprintf("%s is at level %v, below %v", part, level, o.RequireLevel))
	}
	if o.MaxStale > 0 && age > o.MaxStale && level.AtLeast(core.Cached) {
		reasons = append(reasons, fmt.Sprintf("%s is older than %v", part, o.MaxStale))
	}
	return reasons
}

func endpointsName(e holdfast.EndpointsStatus) string { return "endpoints:" + e.Service }
