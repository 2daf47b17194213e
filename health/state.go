package health

import (
	"encoding/json"
	"time"
)

// State is what is known of one check at one moment. It is shared and never
// modified, by anybody.
type State struct {
	// Name, Groups and Optional are as registered.
	Name     string
	Groups   []string
	Optional bool
	// Status is Unknown until the first run has ended.
	Status Status
	// Degraded is true while the check is UP but not as it should be: it said so, or
	// its failures do not count yet.
	Degraded bool
	// Passed is true once the check was UP because a run succeeded.
	Passed bool
	// Reasons say why it is DOWN or degraded, in words that everybody may read who
	// may see details at all; of Err they hold the [Kind] alone.
	Reasons []string
	// Err is why the last run failed; nil if it did not. Its text is for those who
	// are authorized.
	Err error
	// Details are those of the last run, a JSON object; nil if there are none.
	Details json.RawMessage
	// Since is when Status became what it is, and At when the last run ended or went
	// past its limit; both are zero before that.
	Since, At time.Time
	// Took is how long the last run took, its limit if it hung.
	Took time.Duration
	// Runs counts the runs that ended or went past their limit, Failed those of them
	// that failed.
	Runs, Failed uint64

	until time.Time // the outcome serves those who ask
}

// Report is what is known of several checks.
type Report struct {
	// Status is DOWN while a critical check is not UP, and otherwise UP.
	Status Status
	// Degraded is true while any check is not as it should be.
	Degraded bool
	// Checks are sorted by name.
	Checks []*State
}

// reportOf sums up states for a group.
func reportOf(states []*State, group string) Report {
	r := Report{Status: Up, Checks: states}
	for _, s := range states {
		r.Degraded = r.Degraded || s.Status != Up || s.Degraded
		if s.Fails(group) {
			r.Status = Down
		}
	}
	return r
}

// Fails reports whether the check makes a group that it is in fail: it is critical
// and not UP, or in [Startup] was never UP. The group "" stands for [Set.All].
func (s *State) Fails(group string) bool {
	switch {
	case s.Optional:
		return false
	case group == Startup:
		return !s.Passed
	}
	return s.Status != Up
}
