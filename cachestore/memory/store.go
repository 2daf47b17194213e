// Package memory is a cache store that lives and dies with the process: for tests,
// and for pods without a disk.
package memory

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// longestName is how many bytes the name of a bucket or a key may have.
const longestName = 1 << 10

// Store implements [core.CacheStore] in memory. It copies what it is given and what
// it returns, so nothing is shared with the caller. It is safe for concurrent use.
type Store struct {
	mu      sync.RWMutex
	closed  bool
	buckets map[string]map[string]core.Record // inner maps are replaced, never changed
	stats   core.StoreStats                   // counted as it goes
}

var (
	_ core.CacheStore    = (*Store)(nil)
	_ core.StatsReporter = (*Store)(nil)
)

// New makes a store that is empty.
func New() *Store { return &Store{buckets: map[string]map[string]core.Record{}} }

// Get implements [core.CacheStore].
func (s *Store) Get(ctx context.Context, bucket, key string) (core.Record, error) {
	const op = "get"
	records, err := s.bucket(ctx, op, bucket)
	if err != nil {
		return core.Record{}, err
	}
	if err := checkName(op, "key", key); err != nil {
		return core.Record{}, err
	}
	rec, ok := records[key]
	if !ok {
		return core.Record{}, failure(op, key, core.ErrNotFound, nil)
	}
	return clone(rec), nil
}

// All implements [core.CacheStore]. It yields the bucket as it was when the range
// began.
func (s *Store) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		records, err := s.bucket(ctx, "all", bucket)
		if err != nil {
			yield(core.Record{}, err)
			return
		}
		for _, rec := range records {
			if ctx.Err() != nil {
				yield(core.Record{}, context.Cause(ctx))
				return
			}
			if !yield(clone(rec), nil) {
				return
			}
		}
	}
}

// Write implements [core.CacheStore].
func (s *Store) Write(ctx context.Context, bucket string, b core.Batch) error {
	const op = "write"
	if err := checkName(op, "bucket", bucket); err != nil {
		return err
	}
	for _, rec := range b.Put {
		if err := checkName(op, "key", rec.Key); err != nil {
			return err
		}
	}
	put := make([]core.Record, len(b.Put))
	for i, rec := range b.Put {
		put[i] = clone(rec)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	old := s.buckets[bucket]
	records := map[string]core.Record{}
	if !b.Reset {
		maps.Copy(records, old)
	}
	for _, key := range b.Delete {
		delete(records, key)
	}
	for _, rec := range put {
		records[rec.Key] = rec
	}
	if len(records) == 0 {
		delete(s.buckets, bucket)
	} else {
		s.buckets[bucket] = records
	}
	s.stats.Records += len(records) - len(old)
	s.stats.Bytes += size(records) - size(old)
	s.stats.Writes++
	s.stats.LastWrite = time.Now()
	return nil
}

// size is what keys and values take.
func size(records map[string]core.Record) int64 {
	var sum int64
	for key, r := range records {
		sum += int64(len(key) + len(r.Value))
	}
	return sum
}

// Stats implements [core.StatsReporter]. Nothing here can fail, and no space is
// asked for, so that only counts and sizes are told.
func (s *Store) Stats() core.StoreStats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.stats
	st.Buckets, st.FreeBytes = len(s.buckets), -1
	return st
}

// Close implements [core.CacheStore]. Everything is forgotten.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.buckets = true, nil
	s.stats.Records, s.stats.Bytes = 0, 0
	return nil
}

// bucket returns what is in a bucket now; the map is never changed.
func (s *Store) bucket(ctx context.Context, op, name string) (map[string]core.Record, error) {
	if err := checkName(op, "bucket", name); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return nil, err
	}
	return s.buckets[name], nil
}

// usable fails when ctx ended or the store is closed. The caller holds s.mu.
func (s *Store) usable(ctx context.Context, op string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.closed {
		return failure(op, "", core.ErrClosed, nil)
	}
	return nil
}

func checkName(op, what, name string) error {
	switch {
	case name == "":
		return failure(op, "", core.ErrInvalid, errors.New("the name of a "+what+" is empty"))
	case len(name) > longestName:
		return failure(op, name, core.ErrInvalid, errors.New("the name of a "+what+" is longer than 1 KiB"))
	}
	return nil
}

func clone(r core.Record) core.Record {
	if r.Value = bytes.Clone(r.Value); r.Value == nil {
		r.Value = []byte{}
	}
	// As other stores, which keep a moment and not a process's clock.
	r.SavedAt = r.SavedAt.Round(0)
	return r
}

func failure(op, key string, kind, cause error) error {
	return &core.Error{Driver: "memory cache", Op: op, Key: key, Kind: kind, Err: cause}
}
