package drivertest

import (
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// Faults is what a harness can do to one area's backend, or to the way between
// the area's clients and that backend. A nil func is not possible here; cases
// that need it are skipped.
//
// Each func returns when its effect has begun. They are never called
// concurrently. Whatever is still in effect at the end of a case the harness
// undoes by itself.
type Faults struct {
	// Cut breaks the connections of all clients of the area: those that are open
	// are reset, new ones are refused, until Heal. A killed process and a proxy
	// that closes both do.
	Cut func(t testing.TB)

	// Silence makes the backend fall silent towards all clients of the area:
	// connections stay open and new ones may be accepted, but nothing is answered,
	// until Heal. A stopped process and a proxy that swallows bytes both do.
	Silence func(t testing.TB)

	// Deny makes the backend answer all clients of the area with a refusal that
	// lasts until a person acts (credentials, access rights), until Heal. What was
	// begun before may go on.
	Deny func(t testing.TB)

	// LoseQuorum leaves the clients of the area with a backend that answers reads
	// from a member without quorum, and nothing else, until Heal. Nil if the backend
	// has no such reads. The rest of an ensemble that was stopped does.
	LoseQuorum func(t testing.TB)

	// Heal undoes Cut, Silence, Deny and LoseQuorum. It returns when a new client
	// would be served. It must be there if any of them is.
	Heal func(t testing.TB)

	// Compact makes the backend forget how it came to its present state, so that no
	// watch can continue from a revision older than the newest. Backends without a
	// history of changes leave it nil.
	Compact func(t testing.TB)

	// Wipe makes the backend lose all its data and begin a new history at the same
	// address, as a server that was rebuilt or restored does. Its revisions start
	// again from the lowest; if past is not empty, Wipe then writes something
	// outside of the area until the newest revision lies above past, which is a
	// revision of the lost history. Wipe is called while the area is Cut, and leaves
	// it so.
	Wipe func(t testing.TB, past core.Revision)

	// Requests returns how many requests the clients of the area have sent to the
	// backend so far, answered or not. A message on a stream counts as one; what a
	// transport sends by itself (acknowledgements, pings) does not count.
	Requests func(t testing.TB) int64
}
