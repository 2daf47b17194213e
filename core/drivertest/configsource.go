package drivertest

import "testing"

// TestConfigSource checks a [core.ConfigSource] against the contract of package
// core, one subtest per rule.
func TestConfigSource(t *testing.T, h ConfigHarness) {
	t.Helper()
	if h.Open == nil || h.Heartbeat <= 0 {
		t.Fatal("drivertest: ConfigHarness needs Open and Heartbeat")
	}
}
