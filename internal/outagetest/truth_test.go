package outagetest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// leadsOn is how long a leader without quorum may go on as if it had one: two
// election timeouts.
const leadsOn = 2 * time.Second

// mustBeAway checks that a node tells the truth about a backend that has been
// away since a moment: values of memory, their age, why, and that nobody confirms
// the registration any more. quiet is how long before that moment it may have
// heard from the backend last.
func (n *node) mustBeAway(t *testing.T, since time.Time, quiet time.Duration) {
	t.Helper()
	s := n.svc.Status()
	away := time.Since(since)
	if s.Level != core.Memory || !s.Degraded {
		t.Errorf("%.1fs into the outage: level %v, degraded %v; want memory, true", away.Seconds(), s.Level, s.Degraded)
	}
	checkAge := func(part string, age time.Duration) {
		t.Helper()
		if age < away-time.Second || age > away+quiet {
			t.Errorf("%.1fs into the outage: %s is %v old; want that long and at most %v more", away.Seconds(), part, age, quiet)
		}
	}
	if s.Config.Level != core.Memory || s.Config.Err == nil {
		t.Errorf("%.1fs into the outage: config is at %v (%v); want memory and a reason", away.Seconds(), s.Config.Level, s.Config.Err)
	}
	checkAge("config", s.Config.Age)
	v := n.limits.Status()
	if v.Level != core.Memory || v.Err != nil {
		t.Errorf("%.1fs into the outage: limits are at %v (%v); want memory", away.Seconds(), v.Level, v.Err)
	}
	checkAge("limits", v.Age)
	for _, e := range s.Endpoints {
		if e.Level != core.Memory || e.Err == nil || e.Instances == 0 {
			t.Errorf("%.1fs into the outage: endpoints %s are at %v (%v) with %d instances; want memory, a reason and the instances", away.Seconds(), e.Service, e.Level, e.Err, e.Instances)
		}
		checkAge("endpoints", e.Age)
	}
	for _, a := range s.Announcements {
		// A leader goes on renewing until it notices that it lost its quorum. A member
		// that is isolated may even get renewals to its leader: etcd sends them without
		// saying who asks, and the proxies between peers let them pass.
		if confirmed := a.ConfirmedAt.Sub(since); quiet <= oldestLive && confirmed > leadsOn {
			t.Errorf("%.1fs into the outage: announcement says that it was confirmed %.1fs into it", away.Seconds(), confirmed.Seconds())
		}
		unconfirmed := min(away, time.Since(a.ConfirmedAt))
		if unconfirmed > ttl+time.Second && (a.State != holdfast.StateLost || a.Err == nil) {
			t.Errorf("%.1fs into the outage: announcement is %v (%v), not confirmed for %.1fs; want lost and a reason",
				away.Seconds(), a.State, a.Err, unconfirmed.Seconds())
		}
	}
}

// mustBeWell checks that a node says that all is well, and nothing else.
func (n *node) mustBeWell(t *testing.T) {
	t.Helper()
	s := n.svc.Status()
	if s.Level != core.Live || s.Degraded {
		t.Errorf("%s: level %v, degraded %v; want live, false", n.opts.name, s.Level, s.Degraded)
	}
	if s.Config.Level != core.Live || s.Config.Err != nil || s.Config.Age > oldestLive || s.Config.Held != 0 {
		t.Errorf("%s: config is at %v (%v), %v old, %d held; want live", n.opts.name, s.Config.Level, s.Config.Err, s.Config.Age, s.Config.Held)
	}
	if v := n.limits.Status(); v.Level != core.Live || v.Err != nil || v.Age > oldestLive || v.Revision == "" {
		t.Errorf("%s: limits are at %v (%v), %v old, revision %q; want live", n.opts.name, v.Level, v.Err, v.Age, v.Revision)
	}
	for _, e := range s.Endpoints {
		if e.Level != core.Live || e.Err != nil || e.Age > oldestLive || len(e.Held) > 0 {
			t.Errorf("%s: endpoints %s are at %v (%v), %v old, %d held; want live", n.opts.name, e.Service, e.Level, e.Err, e.Age, len(e.Held))
		}
	}
	for _, a := range s.Announcements {
		if a.State != holdfast.StateRegistered || a.Err != nil {
			t.Errorf("%s: announcement is %v (%v); want registered", n.opts.name, a.State, a.Err)
		}
	}
}
