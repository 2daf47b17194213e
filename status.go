package holdfast

import (
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// Status is one picture of a service: what health endpoints, metrics and status
// pages all read. It never holds a configuration value.
type Status struct {
	Name, Version string
	// StartedAt is when Start was called.
	StartedAt time.Time
	// Level is the worst level of the configuration and of the endpoints in use.
	Level core.Level
	// Degraded is true while anything is not as it should be: a level below live, a
	// refused value, an instance that is not registered.
	Degraded bool
	// Config is how the configuration does; Origin is "" without one.
	Config ConfigStatus
	// Endpoints are the services that this one looks for, by name.
	Endpoints []EndpointsStatus
	// Announcements are the announced instances, in order.
	Announcements []AnnouncementStatus
	// Cache is how the cache store does.
	Cache CacheStatus
	// Policy is what Options.Policy did; the zero value without one.
	Policy policy.State
	// Timeline is what happened last, oldest first: at most 256 events.
	Timeline []Event
	// Events counts events by kind since the start.
	Events map[EventKind]uint64
}

// Status returns one picture of the service. It never touches the network.
func (s *Service) Status() Status {
	st := Status{
		Name: s.opts.Name, Version: s.opts.Version, StartedAt: s.started,
		Config: s.config.Status(), Endpoints: s.discovery.Status(),
		Cache: s.keeper.Status(), Policy: s.opts.Policy.State(), Timeline: s.jrnl.timeline(), Events: s.jrnl.count(),
	}
	for _, a := range s.Announcements() {
		st.Announcements = append(st.Announcements, a.Status())
	}
	st.Level = s.Level()
	st.Degraded = !st.Level.AtLeast(core.Live) || st.Cache.Err != nil
	for _, v := range st.Config.Values {
		st.Degraded = st.Degraded || v.Err != nil
	}
	for _, a := range st.Announcements {
		st.Degraded = st.Degraded || (a.State != StateRegistered && a.State != StateClosed)
	}
	return st
}

// Level is Status().Level without the cost of the rest: the worst of the parts in
// use; live with none in use, because there is nothing to be out of date.
func (s *Service) Level() core.Level {
	level := core.Live
	if s.config.src != nil {
		level = level.Worse(s.config.Level())
	}
	return level.Worse(s.discovery.level())
}
