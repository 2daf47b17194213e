package core

import (
	"context"
	"iter"
)

// ConfigSource is where configuration comes from: a set of keys with raw values.
//
// Like a [Registry] it makes one try per call and reports honestly. Keys are
// relative to the source's prefix and separated by "/"; any text is a key, and
// any bytes are a value. All methods are safe for concurrent use. Package
// drivertest checks an implementation.
type ConfigSource interface {
	// Origin names what is read, for people and for the names of caches: stable
	// across restarts, the same for the same data, without secrets or addresses
	// that change ("etcd /config/orders/").
	Origin() string

	// Load returns every key below the source's prefix, the prefix removed, at one
	// revision, however many pages that takes. No keys is an empty Snapshot with a
	// Revision, not an error. It spends at most half of ctx's remaining time on a
	// consistent read, and the rest on a read without quorum (Replica), if the
	// backend has such a thing.
	//
	// Errors: [ErrUnavailable], [ErrDenied], [ErrThrottled].
	Load(ctx context.Context) (Snapshot[[]byte], error)

	// Watch yields what happens to the keys after the given revision, under the
	// rules of a watch in the package comment. Nothing is asked of the backend
	// before the range begins.
	Watch(ctx context.Context, after Revision) iter.Seq2[Update[[]byte], error]
}
