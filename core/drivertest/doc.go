// Package drivertest holds the conformance kits for drivers of Holdfast: whoever
// writes a [core.Registry], a [core.ConfigSource] or a [core.CacheStore] checks
// it with a harness and one call.
//
//	func TestRegistry(t *testing.T) {
//		drivertest.TestRegistry(t, drivertest.RegistryHarness{
//			Open:      openRegistry, // an empty area of a real server
//			Heartbeat: time.Second,
//			MinTTL:    2 * time.Second,
//		})
//	}
//
// Each case checks one rule of package core and prints that rule, with its
// number where it has one, when the driver breaks it. A case runs in real time
// and waits on conditions with a deadline, so a kit can be run against real
// servers as well as against an implementation in memory.
//
// # Harnesses
//
// A harness is a struct of funcs. Its Open gives every case an area of a backend
// that is empty and shared with nobody: a server of its own, a fresh database, or
// a fresh prefix on a server that all cases use. Cases run one after the other,
// never in parallel, so a fault of the whole server is fine as long as nothing
// else uses it meanwhile. What the area's struct of funcs leaves nil is not
// possible with this backend, and the cases that need it are skipped with that
// reason. Everything a harness starts it ends by itself with t.Cleanup of the
// testing.TB that it was given; a harness that can't do what it was asked calls
// t.Fatal.
//
// The funcs of a harness act from outside: what Put or Remove does must not go
// through the client under test, and must keep working while that is cut off.
//
// # Goroutines
//
// Some cases compare the goroutines of the process before and after, so nothing
// else may start any while a kit runs: don't call t.Parallel beside it.
//
// The package imports the standard library and core alone.
package drivertest
