package policy_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
)

// moodyStore is a store in memory that fails, hangs or refuses on demand and counts.
type moodyStore struct {
	mu       sync.Mutex
	store    *memory.Store
	fail     error
	hang     bool
	tooLarge string // a key that is refused
	batches  []core.Batch
	reads    int
}

func (s *moodyStore) begin() (store *memory.Store, hang bool, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		s.store = memory.New()
	}
	return s.store, s.hang, s.fail
}

func (s *moodyStore) Get(ctx context.Context, bucket, key string) (core.Record, error) {
	store, _, fail := s.begin()
	if fail != nil {
		return core.Record{}, fail
	}
	return store.Get(ctx, bucket, key)
}

func (s *moodyStore) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		store, hang, fail := s.begin()
		s.mu.Lock()
		s.reads++
		s.mu.Unlock()
		if hang {
			<-ctx.Done()
			fail = context.Cause(ctx)
		}
		if fail != nil && !errors.Is(fail, core.ErrCorrupt) {
			yield(core.Record{}, fail)
			return
		}
		for r, err := range store.All(ctx, bucket) {
			if !yield(r, err) {
				return
			}
		}
		if fail != nil {
			yield(core.Record{}, fail)
		}
	}
}

func (s *moodyStore) Write(ctx context.Context, bucket string, b core.Batch) error {
	store, hang, fail := s.begin()
	s.mu.Lock()
	s.batches = append(s.batches, b)
	tooLarge := s.tooLarge
	s.mu.Unlock()
	if tooLarge != "" && slices.ContainsFunc(b.Put, func(r core.Record) bool { return r.Key == tooLarge }) {
		return core.ErrInvalid
	}
	if hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if fail != nil {
		return fail
	}
	return store.Write(ctx, bucket, b)
}

func (s *moodyStore) Close() error { return nil }

func (s *moodyStore) set(fail error, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.hang = fail, hang
}

func (s *moodyStore) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}
