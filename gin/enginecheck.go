package holdfastgin

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
)

// Require says what a part of the engines must be, at least. The zero value
// requires nothing, so that the check never fails and only reports.
type Require struct {
	// Level is the worst level that will do. Default core.None: any.
	Level core.Level
	// MaxStale is the greatest age that will do, of what has one (see
	// [MountOptions].MaxStale). Default 0: any.
	MaxStale time.Duration
	// Up is how many instances must take requests. It has a meaning for
	// [EndpointsCheck] alone. Default 0.
	Up int
}

// ConfigCheck makes a check of the configuration, named "require:config", for a
// program that demands of one part what [MountOptions] would demand of all. It
// reads memory only, and is degraded while the level is below live.
func ConfigCheck(svc *holdfast.Service, want Require) health.Checker {
	return health.ResultFunc("require:config", func(context.Context) health.Result {
		st := svc.Config().Status()
		return want.of("config", st.Level, st.Age)
	})
}

// EndpointsCheck makes a check of the instances of one service that this one calls,
// named "require:endpoints:" and the service, as [ConfigCheck] does. What has a
// fallback belongs into health.CheckOptions.Optional.
func EndpointsCheck(svc *holdfast.Service, service string, want Require) health.Checker {
	endpoints := svc.Endpoints(service)
	return health.ResultFunc("require:endpoints:"+service, func(context.Context) health.Result {
		st := endpoints.Status()
		r := want.of("endpoints", st.Level, st.Age)
		r.Details["instances"], r.Details["up"] = st.Instances, st.Up
		if st.Up < want.Up {
			r.Reasons = append(r.Reasons, fmt.Sprintf("%d instances are up, fewer than %d", st.Up, want.Up))
			r.Err = fmt.Errorf("%w: %s", core.ErrUnavailable, r.Reasons[len(r.Reasons)-1])
		}
		return r
	})
}

// of compares a part with what is required of it.
func (w Require) of(part string, level core.Level, age time.Duration) health.Result {
	r := health.Result{
		Degraded: !level.AtLeast(core.Live),
		Reasons:  MountOptions{RequireLevel: w.Level, MaxStale: w.MaxStale}.against(part, level, age),
		Details:  map[string]any{"level": level.String(), "age": math.Round(age.Seconds()*1000) / 1000},
	}
	if len(r.Reasons) > 0 {
		r.Err = fmt.Errorf("%w: %s", core.ErrUnavailable, r.Reasons[0])
	}
	return r
}
