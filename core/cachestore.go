package core

import (
	"context"
	"iter"
	"time"
)

// Record is one entry of a [CacheStore].
type Record struct {
	// Key is unique within its bucket. Any text up to 1 KiB will do.
	Key string
	// Value is opaque to the store. It belongs to the store while a call lasts,
	// and to the caller once it was returned.
	Value []byte
	// Revision is the backend's revision that the value was read at; "" if none.
	Revision Revision
	// SavedAt is when the value was accepted, by the wall clock of the machine
	// that did so; it may lie in the future of this one. Stores keep at least
	// milliseconds.
	SavedAt time.Time
}

// Batch is a set of changes to one bucket, applied as a whole: first Reset, then
// Delete, then Put.
type Batch struct {
	// Reset drops everything that is in the bucket first.
	Reset bool
	// Put stores records; of two with the same Key the later one wins.
	Put []Record
	// Delete removes keys; an unknown key is no error.
	Delete []string
}

// CacheStore keeps the last good state where it outlives the process. Buckets
// are created by the first Write to them. Bucket and key names are data, never a
// path: any non-empty text up to 1 KiB is allowed, "../" and NUL included.
//
// Making a store touches nothing; the first call opens it, and a store that
// can't be opened now (no space, no permission, locked by another process)
// fails that call with [ErrUnavailable] and may be tried again. A store never
// returns damaged bytes as if they were whole, and damage never makes it fail
// for ever or crash: what can't be read is reported as [ErrCorrupt] and can be
// written over. All methods are safe for concurrent use. Package drivertest
// checks an implementation.
//
// Errors common to all methods: [ErrUnavailable] when the store can't be opened
// or its medium fails, [ErrDenied] when its encryption key is wrong, [ErrInvalid] for an empty or oversized name, [ErrClosed] after Close, and
// context.Cause(ctx).
type CacheStore interface {
	// Get returns one record; [ErrNotFound] if there is none, [ErrCorrupt] if it is
	// damaged.
	Get(ctx context.Context, bucket, key string) (Record, error)

	// All yields the records of a bucket in any order. It skips damaged ones and,
	// if there were any, ends with one [ErrCorrupt] whose text counts them. An
	// error is yielded once, last, with a zero Record. A bucket that is not there
	// yields nothing. Breaking out is fine.
	All(ctx context.Context, bucket string) iter.Seq2[Record, error]

	// Write applies b whole or not at all, even if the process dies meanwhile, and
	// returns nil when it is durable. A record or batch larger than the store can
	// take is [ErrInvalid] and changes nothing.
	Write(ctx context.Context, bucket string, b Batch) error

	// Close releases everything. What Write acknowledged stays. A second Close
	// returns nil.
	Close() error
}
