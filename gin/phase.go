package holdfastgin

import "fmt"

// Phase is where a process is in its life. Phases follow one another in the order
// in which they are declared; only draining can go back to ready, by
// [Lifecycle.Resume].
type Phase uint8

// The phases of a life.
const (
	// PhaseStarting: requests may be served already, but readiness says 503.
	PhaseStarting Phase = iota
	// PhaseReady: the only phase in which readiness can say 200.
	PhaseReady
	// PhaseDraining: readiness says 503 and peers are told to send nothing new.
	PhaseDraining
	// PhaseLameDuck: requests are served as before while peers and load balancers
	// take in that nothing new should come.
	PhaseLameDuck
	// PhaseDeregistering: the instance is removed from the registry.
	PhaseDeregistering
	// PhaseStopping: nothing new is accepted, streams are ended, and requests under
	// way are finished.
	PhaseStopping
	// PhaseHooks: the program's own hooks run.
	PhaseHooks
	// PhaseFlushing: what is pending is written to the cache store.
	PhaseFlushing
	// PhaseClosing: the service's engines end.
	PhaseClosing
	// PhaseClosed: it is over.
	PhaseClosed
)

var phaseNames = [...]string{
	"starting", "ready", "draining", "lame duck", "deregistering", "stopping", "hooks", "flushing", "closing", "closed",
}

// String returns the phase's name in lower case: "starting", "ready",
// "draining", "lame duck", "deregistering", "stopping", "hooks", "flushing",
// "closing", "closed".
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText writes the phase as String does. It never fails.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
