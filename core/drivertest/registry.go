package drivertest

import "testing"

// TestRegistry checks a [core.Registry] against the contract of package core, one
// subtest per rule.
func TestRegistry(t *testing.T, h RegistryHarness) {
	t.Helper()
	if h.Open == nil || h.Heartbeat <= 0 {
		t.Fatal("drivertest: RegistryHarness needs Open and Heartbeat")
	}
}
