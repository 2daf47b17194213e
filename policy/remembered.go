package policy

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// CacheOptions bound what the level [core.Cached] of a [Fallback] remembers. The
// zero value works.
type CacheOptions struct {
	// Entries is how many answers are remembered, 1 to 10,000,000; beyond that
	// the least recently used go. Default: 10,000.
	Entries int
	// Bytes is how many bytes the remembered answers may have, keys and values as
	// the codec writes them; beyond that the least recently used go. An answer
	// that is larger on its own is not remembered. All of it is held in memory.
	// At least 1. Default: 16 MiB.
	Bytes int64
	// MaxAge is how old an answer may be when it is served, at least a second. An
	// age that would be negative, after a clock was put back, is zero.
	// Default: 24 h.
	MaxAge time.Duration
	// Codec writes and reads answers. Default: JSON.
	Codec Codec
}

const (
	defaultEntries = 10_000
	mostEntries    = 10_000_000
	defaultBytes   = 16 << 20
	defaultMaxAge  = 24 * time.Hour
)

func (o CacheOptions) validate() error {
	switch {
	case o.Entries < 0 || o.Entries > mostEntries:
		return fmt.Errorf("CacheOptions.Entries is %d; give 1 to %d, or 0 for the default", o.Entries, mostEntries)
	case o.Bytes < 0:
		return fmt.Errorf("CacheOptions.Bytes is %d; give a positive number, or 0 for the default", o.Bytes)
	case o.MaxAge != 0 && o.MaxAge < time.Second:
		return fmt.Errorf("CacheOptions.MaxAge is %v; give 1s or more, or 0 for the default", o.MaxAge)
	}
	return nil
}

func (o CacheOptions) withDefaults() CacheOptions {
	if o.Entries == 0 {
		o.Entries = defaultEntries
	}
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.Codec == nil {
		o.Codec = jsonCodec{}
	}
	return o
}

// remembered holds the last good answers: all of them in memory, and in a bucket
// of a store a moment later. The bucket is read once, as a whole, so that what an
// earlier process left there is within the bounds, too.
type remembered[V any] struct {
	store  core.CacheStore
	bucket string
	opts   CacheOptions
	stop   context.CancelFunc // ends reader and writer
	life   context.Context    // of the goroutines, which outlive the calls that wake them

	writing chan struct{} // of capacity 1: held around every write, so that flush and writer keep order

	mu      sync.Mutex
	closed  bool
	entries map[string]*entry[V]
	recent  list.List // of *entry[V], the most recently used first
	bytes   int64
	// dirty are the keys whose records in the store are not what is in entries.
	dirty map[string]struct{}
	// gone are keys that were dropped while the bucket was being read.
	gone   map[string]struct{}
	reader reading
	writer writing
	counts CacheStats
}

// entry is one answer. data is never modified.
type entry[V any] struct {
	key     string
	data    []byte
	at      time.Time // when it was a live answer
	stamp   time.Time // at, as the store was last told
	stored  bool      // the store may have a record of it
	decoded bool
	value   V // of data, if decoded
	place   *list.Element
}

func (e *entry[V]) size() int64 { return int64(len(e.key) + len(e.data)) }

func newRemembered[V any](spec *cacheSpec) *remembered[V] {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // close calls it
	return &remembered[V]{
		store: spec.store, bucket: spec.bucket, opts: spec.opts.withDefaults(),
		life: ctx, stop: cancel, writing: make(chan struct{}, 1),
		entries: make(map[string]*entry[V]), dirty: make(map[string]struct{}), gone: make(map[string]struct{}),
	}
}

// remember takes a live answer. What can't be kept is counted; the older answer
// stays then.
func (m *remembered[V]) remember(key string, v V) {
	data, err := m.encode(v)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return
	case err != nil:
		m.counts.Unkept++
		m.trouble(err)
		return
	case int64(len(key)+len(data)) > m.opts.Bytes:
		m.counts.Unkept++
		return
	}
	e := m.entries[key]
	if e == nil {
		e = &entry[V]{key: key}
		m.entries[key] = e
		e.place = m.recent.PushFront(e)
		m.bytes += int64(len(key))
		// Until the bucket was read nobody knows what it holds.
		e.stored = !m.reader.done
	} else {
		m.recent.MoveToFront(e.place)
	}
	e.at = now
	if !bytes.Equal(e.data, data) || e.stamp.IsZero() {
		m.bytes += int64(len(data) - len(e.data))
		var none V
		e.data, e.decoded, e.value, e.stamp = data, false, none, now
		m.touch(key)
	} else if now.Sub(e.stamp) >= m.opts.MaxAge/restamp {
		// The same answer again, which most are, is worth a write only so often:
		// after a restart it looks that much older than it is.
		e.stamp = now
		m.touch(key)
	}
	m.evict()
}

// restamp is the part of MaxAge after which an answer that did not change is
// written again.
const restamp = 16

func (m *remembered[V]) encode(v V) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("policy: fallback: the codec panicked with a %T: %w", r, core.ErrInvalid)
		}
	}()
	if data, err = m.opts.Codec.Marshal(v); err != nil {
		return nil, fmt.Errorf("policy: fallback: the codec can't write a %T: %w: %w", v, core.ErrInvalid, err)
	}
	return data, nil
}

func (m *remembered[V]) decode(data []byte) (v V, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("policy: fallback: the codec panicked with a %T: %w", r, core.ErrCorrupt)
		}
	}()
	if err = m.opts.Codec.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("policy: fallback: the codec can't read a remembered answer: %w: %w", core.ErrCorrupt, err)
	}
	return v, nil
}

// forget drops what is remembered for a key, here and in the store.
func (m *remembered[V]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	if e := m.entries[key]; e != nil {
		m.drop(e)
		return
	}
	// The bucket may hold it while it was not read, but a store that can't be read
	// must not make this grow for ever.
	if !m.reader.done && len(m.gone) < m.opts.Entries {
		m.gone[key] = struct{}{}
		m.touch(key)
	}
}

// recall returns what is remembered for a key and how old it is. Only while the
// bucket was not read yet it may wait for that.
func (m *remembered[V]) recall(ctx context.Context, key string) (v V, age time.Duration, err error) {
	m.mu.Lock()
	e := m.entries[key]
	if e == nil && !m.reader.done {
		m.mu.Unlock()
		if err := m.read(ctx); err != nil {
			return v, 0, err
		}
		m.mu.Lock()
		e = m.entries[key]
	}
	if e == nil {
		m.mu.Unlock()
		return v, 0, errNothing
	}
	age = max(0, time.Since(e.at))
	if age > m.opts.MaxAge {
		m.counts.Expired++
		m.drop(e)
		m.mu.Unlock()
		return v, 0, errTooOld
	}
	m.recent.MoveToFront(e.place)
	if e.decoded {
		v = e.value
		m.mu.Unlock()
		return v, age, nil
	}
	data := e.data
	m.mu.Unlock()

	v, err = m.decode(data)

	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.entries[key]; now == nil || !sameBytes(now.data, data) {
		return v, age, err
	}
	if err != nil {
		m.corrupt(err)
		m.drop(e)
		return v, 0, err
	}
	e.decoded, e.value = true, v
	return v, age, nil
}

// sameBytes reports whether a and b are one slice.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// evict keeps the bounds. The caller holds m.mu.
func (m *remembered[V]) evict() {
	for len(m.entries) > m.opts.Entries || m.bytes > m.opts.Bytes {
		oldest, ok := m.recent.Back().Value.(*entry[V])
		if !ok {
			return
		}
		m.counts.Evicted++
		m.drop(oldest)
	}
}

// drop removes an entry, here and in the store. The caller holds m.mu.
func (m *remembered[V]) drop(e *entry[V]) {
	delete(m.entries, e.key)
	m.recent.Remove(e.place)
	m.bytes -= e.size()
	if !m.reader.done && len(m.gone) < m.opts.Entries {
		m.gone[e.key] = struct{}{}
	}
	if e.stored {
		m.touch(e.key)
	} else {
		// The store never saw it: a store that fails does not make dirty grow.
		delete(m.dirty, e.key)
	}
}

// corrupt counts what could not be read. The caller holds m.mu.
func (m *remembered[V]) corrupt(err error) {
	m.counts.Corrupt++
	m.trouble(err)
}

// trouble notes the newest error. The caller holds m.mu.
func (m *remembered[V]) trouble(err error) {
	m.counts.Err, m.counts.ErrAt = err, time.Now()
}

// stats returns the counters, with what is held now.
func (m *remembered[V]) stats() CacheStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.counts
	s.Entries, s.Bytes, s.Pending = len(m.entries), m.bytes, len(m.dirty)
	return s
}
