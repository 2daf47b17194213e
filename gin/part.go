package holdfastgin

import (
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// Part is something that goes into answers: it says its level and its age now. It
// must be quick, must not block, and must be safe for concurrent use.
type Part func() (level core.Level, age time.Duration)

// ConfigPart is the configuration of a service as a whole. One without a source is
// at level live: nothing in it can be out of date.
func ConfigPart(svc *holdfast.Service) Part {
	c := svc.Config()
	return func() (core.Level, time.Duration) {
		st := c.Status()
		if st.Origin == "" {
			return core.Live, 0
		}
		return st.Level, st.Age
	}
}

// ValuePart is one bound value. That no key says anything of it is no trouble of
// the backend, and yet the level is default.
func ValuePart[T any](v *holdfast.Value[T]) Part {
	return func() (core.Level, time.Duration) {
		st := v.Status()
		return st.Level, st.Age
	}
}

// EndpointsPart is what a service knows of the instances of another, by its name.
func EndpointsPart(svc *holdfast.Service, service string) Part {
	e := svc.Endpoints(service)
	return func() (core.Level, time.Duration) {
		st := e.Status()
		return st.Level, st.Age
	}
}

// wholePart is all that a service has in use.
func wholePart(svc *holdfast.Service) Part {
	return func() (core.Level, time.Duration) {
		st := svc.Status()
		var age time.Duration
		if st.Config.Origin != "" && st.Config.Level.AtLeast(core.Cached) {
			age = st.Config.Age
		}
		for _, e := range st.Endpoints {
			if e.Level.AtLeast(core.Cached) {
				age = max(age, e.Age)
			}
		}
		return st.Level, age
	}
}
