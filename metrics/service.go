package metrics

import (
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// kinds are the events that are shown from the start, so that the first one is an
// increase.
var kinds = [...]holdfast.EventKind{
	holdfast.EventLevel, holdfast.EventRefused, holdfast.EventAccepted, holdfast.EventHeld, holdfast.EventReleased,
	holdfast.EventRegistered, holdfast.EventLost, holdfast.EventConflict, holdfast.EventDenied, holdfast.EventCache,
	holdfast.EventPanic, holdfast.EventBreaker, holdfast.EventPhase,
	holdfast.EventEjected, holdfast.EventReturned,
}

// service shows the service as a whole.
func (c *Collector) service(s *scrape, st holdfast.Status) {
	s.send(c.build, 1, labels(c.versions[:]...))
	s.moment(c.started, st.StartedAt, nil)
	s.level(c.level, st.Level, nil)
	s.flag(c.degraded, st.Degraded, nil)
	for _, k := range kinds {
		s.send(c.events, float64(st.Events[k]), labels("kind", string(k)))
		delete(st.Events, k)
	}
	for k, n := range st.Events {
		s.send(c.events, float64(n), labels("kind", string(k)))
	}
	if st.Config.Origin != "" {
		s.flag(c.backendUp, inSync(st.Config.Level, st.Config.Err), labels("backend", "config"))
	}
	if used, up := registry(st); used {
		s.flag(c.backendUp, up, labels("backend", "registry"))
	}
}

// inSync reports whether a backend answers. At level memory without an error it
// does: then keys are held.
func inSync(level core.Level, err error) bool { return err == nil && level.AtLeast(core.Memory) }

// registry reports whether a registry is used, and whether anything says that it
// answers: all parts ask the same one, and not all notice its end at once.
func registry(st holdfast.Status) (used, up bool) {
	for _, e := range st.Endpoints {
		used, up = true, up || inSync(e.Level, e.Err)
	}
	for _, a := range st.Announcements {
		if a.State != holdfast.StateClosed {
			used, up = true, up || a.State == holdfast.StateRegistered && a.Err == nil
		}
	}
	return used, up
}

// config shows the configuration and each bound value.
func (c *Collector) config(s *scrape, st holdfast.ConfigStatus) {
	if st.Origin == "" {
		return
	}
	refused := 0
	for _, v := range st.Values {
		if v.Err != nil {
			refused++
		}
	}
	s.level(c.configLevel, st.Level, nil)
	s.send(c.configAge, st.Age.Seconds(), nil)
	s.send(c.configKeys, float64(st.Keys), nil)
	s.send(c.configHeld, float64(st.Held), nil)
	s.send(c.configBad, float64(len(st.Bad)), nil)
	s.send(c.configRefused, float64(refused), nil)
	s.send(c.configLists, float64(st.Lists), nil)
	s.send(c.configChanges, float64(st.Changes), nil)

	path := "path"
	for i := range st.Values { // each path is bound once
		v := &st.Values[i]
		of := s.of(&path, v.Path)
		s.level(c.valueLevel, v.Level, of)
		s.send(c.valueAge, v.Age.Seconds(), of)
		if v.Refused > 0 {
			s.send(c.valueRefused, float64(v.Refused), of)
		}
	}
}

// endpoints shows each service that this one calls. What is rarely other than zero
// is left out where it is, here and for values: there may be thousands.
func (c *Collector) endpoints(s *scrape, all []holdfast.EndpointsStatus) {
	peer := "peer_service"
	for i := range all {
		e := &all[i]
		of := s.of(&peer, e.Service)
		s.level(c.endpointsLevel, e.Level, of)
		s.send(c.endpointsAge, e.Age.Seconds(), of)
		s.send(c.endpointsInstances, float64(e.Instances), of)
		s.send(c.endpointsUp, float64(e.Up), of)
		if len(e.Held) > 0 {
			s.send(c.endpointsHeld, float64(len(e.Held)), of)
		}
		if len(e.Ejected) > 0 {
			s.send(c.endpointsEjected, float64(len(e.Ejected)), of)
		}
	}
}

// announcements shows what is announced, and nothing that was closed: a program
// may announce as often as it likes. Of those with the same service and ID it is
// one that is registered, else the newest.
func (c *Collector) announcements(s *scrape, all []holdfast.AnnouncementStatus) {
	shown := make(map[[2]string]int)
	for i, a := range all {
		if a.State == holdfast.StateClosed {
			continue
		}
		key := [2]string{a.Instance.Service, a.Instance.ID}
		if j, ok := shown[key]; !ok || all[j].State != holdfast.StateRegistered {
			shown[key] = i
		}
	}
	for key, i := range shown {
		a, of := all[i], labels("announced_service", key[0], "instance_id", key[1])
		s.flag(c.registered, a.State == holdfast.StateRegistered, of)
		s.send(c.registrations, float64(a.Registrations), of)
		s.send(c.losses, float64(a.Losses), of)
		s.send(c.beats, float64(a.Beats), of)
	}
}

// cache shows the cache store, if there is one.
func (c *Collector) cache(s *scrape, st holdfast.CacheStatus) {
	if st.Since.IsZero() {
		return
	}
	s.flag(c.cacheUp, st.Err == nil, nil)
	s.send(c.cachePending, float64(st.Pending), nil)
	s.moment(c.cacheLastWrite, st.LastWrite, nil)
	s.send(c.cacheWrites, float64(st.Writes), nil)
	s.send(c.cacheErrors, float64(st.WriteErrors), nil)
}

// life shows the phase of the process and its health checks.
func (c *Collector) life(s *scrape) {
	if c.opts.Phases != nil {
		now, all := c.opts.Phases()
		for _, p := range all {
			s.flag(c.phase, p == now, labels("phase", p))
		}
	}
	if c.opts.Checks == nil {
		return
	}
	seen := make(map[string]struct{})
	c.opts.Checks.EachCheck(func(name string, up bool, took time.Duration, at time.Time) {
		if _, again := seen[name]; again || at.IsZero() {
			return
		}
		seen[name] = struct{}{}
		of := labels("check", name)
		s.flag(c.checkUp, up, of)
		s.send(c.checkDuration, took.Seconds(), of)
	})
}
