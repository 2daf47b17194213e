package holdfastgin

import (
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// notReady says why the life is not in its ready phase; "" if it is, or if there is
// none.
func (p *probes) notReady(c *gin.Context) string {
	if life := p.lifecycle(c); life != nil {
		if phase := life.Phase(); phase != PhaseReady {
			return phase.String()
		}
	}
	return ""
}

// requires reports whether readiness depends on levels and ages at all.
func (o MountOptions) requires() bool { return o.RequireLevel != core.None || o.MaxStale != 0 }

// below lists what speaks against the engines.
func (o MountOptions) below(st holdfast.Status) []string {
	var reasons []string
	if st.Config.Origin != "" {
		reasons = append(reasons, o.against("config", st.Config.Level, st.Config.Age)...)
	}
	for _, e := range st.Endpoints {
		reasons = append(reasons, o.against(endpointsName(e), e.Level, e.Age)...)
	}
	return reasons
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
