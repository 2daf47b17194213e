// Package memory is a registry and a source of configuration inside the process:
// the reference driver, the default for services that need no backend, and the
// test double with which users check how their own service takes an outage.
//
// A [Backend] plays the server. The drivers that its methods Registry and
// ConfigSource return play clients, and obey every rule of package core. What a
// network and a cluster can do to them the Backend does on demand: it can be cut
// off, fall silent, lose its quorum, be slow, refuse, forget its history, lose its
// data, and hold writes back.
//
// Everything works inside a bubble of testing/synctest, if the Backend was made
// inside it. There is no goroutine: registrations end by timers, and a watch runs
// on the goroutine of the loop that ranges over it.
package memory
