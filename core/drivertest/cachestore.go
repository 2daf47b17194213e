package drivertest

import "testing"

// TestCacheStore checks a [core.CacheStore] against the contract of package core,
// one subtest per rule.
func TestCacheStore(t *testing.T, h CacheHarness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("drivertest: CacheHarness needs Open")
	}
}
