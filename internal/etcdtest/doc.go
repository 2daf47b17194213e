// Package etcdtest runs real etcd servers for tests: built from pinned modules,
// started as child processes on loopback addresses of their own, and then
// killed, stopped, paused, wiped, restored and cut off from each other.
//
// A server that can't be built or started fails the test; it is never skipped.
package etcdtest
