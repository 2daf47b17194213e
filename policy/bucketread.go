package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// How a fallback deals with its store.
const (
	saveEvery    = time.Second      // at most one write in this time
	retrySoonest = time.Second      // first wait after the store failed, doubling
	retryLatest  = 30 * time.Second // longest wait
	storeTimeout = 10 * time.Second // one write, one read of the bucket
	readPatience = 2 * time.Second  // what one Get waits for the first read of the bucket
	closeTimeout = 2 * time.Second
)

// reading is how far the first read of the bucket has come.
type reading struct {
	done    bool          // it was read: what is not in memory is nowhere
	running chan struct{} // closed when the read that runs has ended; nil if none
	err     error         // why the last read failed
	tries   int
	next    time.Time // no read begins before
}

// prepare begins to read the bucket if that was not done. It never blocks.
func (m *remembered[V]) prepare() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beginRead()
}

// beginRead is prepare for who holds m.mu.
func (m *remembered[V]) beginRead() {
	r := &m.reader
	if m.closed || r.done || r.running != nil || time.Now().Before(r.next) {
		return
	}
	ended := make(chan struct{})
	r.running = ended
	go func() {
		defer close(ended)
		m.readBucket()
	}()
}

// read awaits the first read of the bucket.
func (m *remembered[V]) read(ctx context.Context) error {
	m.mu.Lock()
	m.beginRead()
	running, err := m.reader.running, m.reader.err
	m.mu.Unlock()
	if running == nil {
		return err
	}
	select {
	case <-running:
	default:
		patience := time.NewTimer(readPatience)
		defer patience.Stop()
		select {
		case <-running:
		case <-patience.C:
			return errReading
		case <-ctx.Done():
			return errReading
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reader.err
}

// readBucket reads the bucket once.
func (m *remembered[V]) readBucket() {
	found, bad, err := m.collect()

	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.reader
	r.running, r.err = nil, nil
	for key, err := range bad {
		m.corrupt(err)
		if m.entries[key] == nil {
			m.touch(key)
		}
	}
	if errors.Is(err, core.ErrCorrupt) {
		// The store left out what it could not read; what it gave is whole.
		m.corrupt(err)
		err = nil
	}
	if err != nil {
		r.err, r.next = err, time.Now().Add(backoff(r.tries))
		r.tries++
		m.trouble(err)
		return
	}
	r.done = true
	m.adopt(found)
}

// adopt takes what an earlier process remembered below what this one has used
// since. The caller holds m.mu.
func (m *remembered[V]) adopt(found []*entry[V]) {
	slices.SortFunc(found, newestFirst[V])
	now := time.Now()
	for _, e := range found {
		_, gone := m.gone[e.key]
		switch {
		case m.entries[e.key] != nil || gone:
		case now.Sub(e.at) > m.opts.MaxAge:
			m.counts.Expired++
			m.touch(e.key)
		default:
			m.entries[e.key] = e
			e.place = m.recent.PushBack(e)
			m.bytes += e.size()
		}
	}
	m.gone = nil
	m.evict()
}

func newestFirst[V any](a, b *entry[V]) int {
	return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.key, b.key))
}

// collect reads every record of the bucket, those that can't be read apart.
// However large the bucket is, it holds no more than twice the bounds.
func (m *remembered[V]) collect() (found []*entry[V], bad map[string]error, err error) {
	defer shieldStore(&err)
	ctx, cancel := context.WithTimeout(m.life, storeTimeout)
	defer cancel()
	bad = make(map[string]error)
	var size int64
	for r, err := range m.store.All(ctx, m.bucket) {
		if err != nil {
			return found, bad, fmt.Errorf("policy: fallback: bucket %q can't be read: %w", m.bucket, err)
		}
		at, data, err := unseal(r.Key, r.Value)
		if err != nil {
			if len(bad) < m.opts.Entries {
				bad[r.Key] = err
			}
			continue
		}
		e := &entry[V]{key: r.Key, data: data, at: at, stamp: at, stored: true}
		found = append(found, e)
		size += e.size()
		if len(found) > 2*m.opts.Entries || size > 2*m.opts.Bytes {
			found, size = m.trim(found)
		}
	}
	return found, bad, nil
}

// trim keeps the newest of what was found, within the bounds, and has the others
// removed from the store.
func (m *remembered[V]) trim(found []*entry[V]) ([]*entry[V], int64) {
	slices.SortFunc(found, newestFirst[V])
	var size int64
	keep := 0
	for keep < len(found) && keep < m.opts.Entries && size+found[keep].size() <= m.opts.Bytes {
		size += found[keep].size()
		keep++
	}
	m.mu.Lock()
	for _, e := range found[keep:] {
		m.counts.Evicted++
		if m.entries[e.key] == nil {
			m.touch(e.key)
		}
	}
	m.mu.Unlock()
	clear(found[keep:])
	return found[:keep], size
}

// backoff is how long to leave a store alone that failed that often before.
func backoff(tries int) time.Duration {
	return min(retryLatest, retrySoonest<<min(tries, 10))
}

// shieldStore, deferred, turns a panic of a store into an error.
func shieldStore(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("policy: fallback: the cache store panicked with a %T: %w", r, core.ErrUnavailable)
	}
}
