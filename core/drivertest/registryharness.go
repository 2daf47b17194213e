package drivertest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// RegistryHarness connects [TestRegistry] to a registry and its backend. Open
// and Heartbeat are required.
type RegistryHarness struct {
	// Open prepares an empty area of a backend for one case. Two areas never see
	// each other's instances, whatever the services are called.
	Open func(t testing.TB) RegistryArea

	// Heartbeat is the heartbeat interval of the watches of all clients. The kit
	// waits for some tens of them altogether, so choose the shortest interval that
	// the driver supports.
	Heartbeat time.Duration

	// MinTTL is the shortest TTL that the backend keeps as it is asked; a shorter
	// one may be rounded up. The kit waits for a few of them. Default 1 s.
	MinTTL time.Duration

	// Patience is how long the backend may take to show what was done to it, a
	// restart included. It bounds the kit's waiting and does not stretch the bounds
	// of the rules. Default 10 s.
	Patience time.Duration

	// MaxName is how many bytes the ID of an instance or the name of a service may
	// have at least. Default 300.
	MaxName int

	// MaxMetadata is how many bytes the metadata of an instance may have at least.
	// Default 1 KiB.
	MaxMetadata int

	// Many is the number of instances in the case of a large service. Default 500.
	Many int

	// BlindToHistory is a reason, in words, why the driver can't notice by itself
	// that a revision is of a history that was wiped and has been overtaken since.
	// If it is not empty, a new watch from such a revision is not tried; that a
	// watch which was running ends, and that a list shows the truth, is checked
	// all the same. Engines always list before they watch.
	BlindToHistory string

	// Secrets are texts that must not turn up in an Origin or an error, such as the
	// password that clients use.
	Secrets []string

	// Foreign reports whether a goroutine, given by its stack as runtime.Stack
	// prints it, belongs to the harness and not to the driver (a proxy's, say).
	// Nil: none does.
	Foreign func(stack string) bool
}

// RegistryArea is an empty area of a backend, made for one case. Client is
// required.
type RegistryArea struct {
	// Client opens one more client of the area, as independent of its other clients
	// as if it ran in another process (connections and leases of its own). The func
	// returned ends it as if that process had died: nothing is deregistered. It may
	// be called twice; the kit calls it at the end of the case at the latest, and
	// then expects that nothing of the client is left.
	Client func(t testing.TB) (core.Registry, func())

	// PutMalformed stores bytes that the driver can't decode as the entry of an
	// instance, where it would have stored that instance itself. They contain the
	// text mark, which must not turn up in any error. Nil if what the backend keeps
	// is always well-formed.
	PutMalformed func(t testing.TB, service, id, mark string)

	// Remove deletes the entry of an instance behind the back of the client that
	// registered it, as an operator with the backend's own tools would.
	Remove func(t testing.TB, service, id string)

	// Revoke ends what keeps an instance registered (its lease or session), as if
	// its TTL had passed.
	Revoke func(t testing.TB, service, id string)

	// Hold begins to hold back whatever the area's clients send, so that a write
	// can be made whose outcome is unknown and which is applied late.
	Hold func(t testing.TB) Held

	// Faults of the backend of this area.
	Faults
}

// Held is traffic that [RegistryArea].Hold holds back. The kit calls Pass and then
// Release, or neither.
//
// With a TCP proxy: Hold keeps the bytes that clients send. Pass closes these
// connections towards the clients but not towards the server, and lets new
// connections through. Release sends the bytes kept.
type Held struct {
	// Pass lets new requests through again, and keeps back what is held. Calls
	// that wait for an answer to what is held fail, now or at their deadline.
	Pass func(t testing.TB)

	// Release lets go what was held back and returns when the backend has applied
	// or refused it.
	Release func(t testing.TB)
}
