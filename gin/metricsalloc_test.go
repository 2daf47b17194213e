//go:build !race

package holdfastgin

import "testing"

// TestMetrics_AllocateNothing holds the middleware to no allocation. The race
// detector empties pools at random, hence the build tag.
func TestMetrics_AllocateNothing(t *testing.T) {
	for name, serve := range map[string]func(){
		"plain":   loop(meterFor(t, MetricsOptions{}), nil),
		"native":  loop(meterFor(t, MetricsOptions{NativeHistograms: true}), nil),
		"skipped": loop(meterFor(t, MetricsOptions{Skip: []string{"/users/:id"}}), nil),
		"traced":  loop(meterFor(t, MetricsOptions{}), traced()),
	} {
		if got := testing.AllocsPerRun(1000, serve); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
