package core

import "time"

// StoreStats says how a [CacheStore] does, for status pages and metrics. It holds
// no value, and no name of a bucket or a key except within LastError.
type StoreStats struct {
	// Buckets and Records count what the store knows to be there and whole. A store
	// that reads buckets on first use counts those that were used.
	Buckets, Records int
	// Bytes is what these buckets take where they are kept, generations, journals
	// and the like included; in memory, the sum of keys and values.
	Bytes int64
	// Writes and Errors count batches that were acknowledged, and calls that failed
	// because of the store or its medium: not those that were [ErrNotFound],
	// [ErrInvalid] or [ErrClosed], and not those whose ctx ended.
	Writes, Errors uint64
	// LastWrite is when a batch was last acknowledged; zero if none was yet.
	LastWrite time.Time
	// LastError is the last error counted in Errors, nil if there was none, and
	// LastErrorAt when it was returned. A later success leaves both as they are.
	LastError   error
	LastErrorAt time.Time
	// FreeBytes is what was free for this process, where the store keeps its data,
	// when it was last opened or written to; -1 if that is not known, or has no
	// meaning.
	FreeBytes int64
}

// StatsReporter is an optional ability of a [CacheStore], found with [As].
type StatsReporter interface {
	// Stats returns how the store does. It never blocks and touches no disk: a
	// health check or a scrape may call it while the disk hangs.
	Stats() StoreStats
}
