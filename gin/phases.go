package holdfastgin

import "slices"

// Phases returns the name of the phase that the process is in, and those of all
// phases in their order, for metrics.Options. The slice is the caller's.
func (l *Lifecycle) Phases() (now string, all []string) {
	return l.Phase().String(), slices.Clone(phaseNames[:])
}
