package drivertest

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// ConfigHarness connects [TestConfigSource] to a source of configuration and its
// backend. Open and Heartbeat are required.
type ConfigHarness struct {
	// Open prepares an empty area of a backend for one case: a prefix that nobody
	// else writes below.
	Open func(t testing.TB) ConfigArea

	// Heartbeat is the heartbeat interval of the watches of all clients. The kit
	// waits for some tens of them altogether, so choose the shortest interval that
	// the driver supports.
	Heartbeat time.Duration

	// Patience is how long the backend may take to show what was done to it, a
	// restart included. It bounds the kit's waiting and does not stretch the bounds
	// of the rules. Default 10 s.
	Patience time.Duration

	// MaxKey is how many bytes a key may have at least, the prefix not counted.
	// Default 300.
	MaxKey int

	// MaxValue is how many bytes a value may have at least. Default 1 MiB.
	MaxValue int

	// Accepts reports whether the backend can have the key at all. Nil: any
	// non-empty text is a key.
	Accepts func(key string) bool

	// Many is the number of keys in the case of a large set; choose it so that the
	// driver needs several pages. Default 2,000.
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

// ConfigArea is an empty area of a backend, made for one case. Client, Put and
// Delete are required.
//
// Keys are as the source shows them: the prefix removed. What Put, Delete and
// Txn did is visible to a list that begins after they returned.
type ConfigArea struct {
	// Client opens one more client of the area, as independent of its other clients
	// as if it ran in another process. The func returned ends it; it may be called
	// twice. The kit calls it at the end of the case at the latest, and then expects
	// that nothing of the client is left.
	Client func(t testing.TB) (core.ConfigSource, func())

	// Put writes entries, in one step or in many, in no particular order. A call with
	// a single entry is one step.
	Put func(t testing.TB, entries map[string][]byte)

	// Delete removes entries, in one step or in many.
	Delete func(t testing.TB, keys ...string)

	// Txn writes and deletes up to 32 entries in one transaction of the backend.
	// Nil if the backend has no such thing.
	Txn func(t testing.TB, put map[string][]byte, del ...string)

	// PutBeside writes an entry outside of the area whose full name only begins
	// with the same letters: the area's prefix without its last separator, followed
	// by tail. With the prefix /config/foo/ and the tail "bar/a" that is
	// /config/foobar/a; with the tail "" it is /config/foo.
	PutBeside func(t testing.TB, tail string, value []byte)

	// PutMalformed stores something under the given key that the driver can't read
	// as a value. It contains the text mark, which must not turn up in any error.
	// Nil if any bytes are a value, as in most backends.
	PutMalformed func(t testing.TB, key, mark string)

	// Faults of the backend of this area.
	Faults
}
