package drivertest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
)

// disk is what outlives the stores that were opened on it.
type disk struct {
	kept map[string]map[string]core.Record

	mu      sync.Mutex
	damaged map[[2]string]bool
}

func (d *disk) harmed(bucket, key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.damaged[[2]string{bucket, key}]
}

// brokenStore is a memory store that can be opened again, with some of its methods
// replaced.
type brokenStore struct {
	*memory.Store
	disk  *disk
	get   func(ctx context.Context, bucket, key string) (core.Record, error)
	all   func(ctx context.Context, bucket string) iter.Seq2[core.Record, error]
	write func(ctx context.Context, bucket string, b core.Batch) error
	close func() error
}

func (s *brokenStore) Get(ctx context.Context, bucket, key string) (core.Record, error) {
	if s.get != nil {
		return s.get(ctx, bucket, key)
	}
	if s.disk.harmed(bucket, key) {
		return core.Record{}, core.ErrCorrupt
	}
	return s.Store.Get(ctx, bucket, key)
}

func (s *brokenStore) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	if s.all != nil {
		return s.all(ctx, bucket)
	}
	return func(yield func(core.Record, error) bool) {
		bad := false
		for rec, err := range s.Store.All(ctx, bucket) {
			if s.disk.harmed(bucket, rec.Key) {
				bad = true
			} else if !yield(rec, err) {
				return
			}
		}
		if bad {
			yield(core.Record{}, &core.Error{Driver: "broken", Op: "all", Kind: core.ErrCorrupt, Err: errors.New("1 record is damaged")})
		}
	}
}

func (s *brokenStore) Write(ctx context.Context, bucket string, b core.Batch) error {
	if s.write != nil {
		return s.write(ctx, bucket, b)
	}
	return s.keep(ctx, bucket, b)
}

func (s *brokenStore) keep(ctx context.Context, bucket string, b core.Batch) error {
	if err := s.Store.Write(ctx, bucket, b); err != nil {
		return err
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	maps.DeleteFunc(s.disk.damaged, func(at [2]string, _ bool) bool { return at[0] == bucket })
	return nil
}

func (s *brokenStore) Close() error {
	if s.close != nil {
		return s.close()
	}
	s.snapshot()
	return s.Store.Close()
}

// snapshot moves what the store holds to the disk.
func (s *brokenStore) snapshot() {
	for _, bucket := range []string{"b", "another", "healthy"} {
		for rec, err := range s.Store.All(context.Background(), bucket) {
			if err != nil {
				return // closed before
			}
			if s.disk.kept[bucket] == nil {
				s.disk.kept[bucket] = map[string]core.Record{}
			}
			s.disk.kept[bucket][rec.Key] = rec
		}
	}
}

// cacheHarness is a store that keeps what it was given beyond Close, broken by f.
func cacheHarness(f func(s *brokenStore)) drivertest.CacheHarness {
	return drivertest.CacheHarness{Many: 500, Open: func(t testing.TB) drivertest.CacheArea {
		d := &disk{kept: map[string]map[string]core.Record{}, damaged: map[[2]string]bool{}}
		open := func(t testing.TB) core.CacheStore {
			s := &brokenStore{Store: memory.New(), disk: d}
			for bucket, records := range d.kept {
				var b core.Batch
				for _, rec := range records {
					b.Put = append(b.Put, rec)
				}
				if err := s.Store.Write(t.Context(), bucket, b); err != nil {
					t.Fatal(err)
				}
			}
			clear(d.kept)
			f(s)
			return s
		}
		return drivertest.CacheArea{
			Store:  open(t),
			Reopen: open,
			Damage: func(_ testing.TB, bucket, key string) { d.damaged[[2]string{bucket, key}] = true },
		}
	}}
}

func TestCacheStore_PassesForTheStoreUnbroken(t *testing.T) {
	for _, name := range drivertest.CacheCases() {
		passed(t, drivertest.RunCache(t, name, cacheHarness(func(*brokenStore) {})))
	}
}

// TestCacheStore_CatchesBrokenStores runs single cases on stores that break one
// promise each.
func TestCacheStore_CatchesBrokenStores(t *testing.T) {
	proven := map[string]bool{}
	for _, row := range []struct {
		broken string
		cases  []string
		by     func(s *brokenStore)
	}{
		{"finds an empty record for what is not there", []string{"GetReturnsWhatWasWritten"}, func(s *brokenStore) {
			s.get = func(ctx context.Context, bucket, key string) (core.Record, error) {
				rec, err := s.Store.Get(ctx, bucket, key)
				if errors.Is(err, core.ErrNotFound) {
					err = nil
				}
				return rec, err
			}
		}},
		{"ends an empty bucket with an error", []string{"AllYieldsTheBucket"}, func(s *brokenStore) {
			s.all = func(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
				return func(yield func(core.Record, error) bool) {
					n := 0
					for rec, err := range s.Store.All(ctx, bucket) {
						n++
						if !yield(rec, err) {
							return
						}
					}
					if n == 0 {
						yield(core.Record{}, core.ErrNotFound)
					}
				}
			}
		}},
		{"deletes last", []string{"BatchOrder"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				if err := s.keep(ctx, bucket, core.Batch{Reset: b.Reset, Put: b.Put}); err != nil {
					return err
				}
				return s.keep(ctx, bucket, core.Batch{Delete: b.Delete})
			}
		}},
		{"cleans names as paths", []string{"BucketsAreApart", "AnyTextIsAName"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error { return s.keep(ctx, clean(bucket), b) }
			s.get = func(ctx context.Context, bucket, key string) (core.Record, error) {
				return s.Store.Get(ctx, clean(bucket), key)
			}
			s.all = func(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
				return s.Store.All(ctx, clean(bucket))
			}
		}},
		{"makes text of values", []string{"AnyBytesAreAValue"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				for i := range b.Put {
					b.Put[i].Value = bytes.ToValidUTF8(b.Put[i].Value, nil)
				}
				return s.keep(ctx, bucket, b)
			}
		}},
		{"shares values", []string{"ValuesAreTheCallers"}, func(s *brokenStore) {
			var last core.Record
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				last = b.Put[0]
				return s.keep(ctx, bucket, b)
			}
			s.get = func(context.Context, string, string) (core.Record, error) { return last, nil }
		}},
		{"keeps seconds", []string{"RevisionAndSavedAtAreKept"}, func(s *brokenStore) {
			s.get = func(ctx context.Context, bucket, key string) (core.Record, error) {
				rec, err := s.Store.Get(ctx, bucket, key)
				rec.SavedAt = rec.SavedAt.Truncate(time.Second)
				return rec, err
			}
		}},
		{"takes what fits", []string{"LargeBatch"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				b.Put = b.Put[:min(len(b.Put), 400)]
				return s.keep(ctx, bucket, b)
			}
		}},
		{
			"writes record by record", []string{"ReadersSeeWholeBatches", "InvalidBatchChangesNothing"},
			func(s *brokenStore) {
				s.write = func(ctx context.Context, bucket string, b core.Batch) error {
					if b.Reset {
						if err := s.keep(ctx, bucket, core.Batch{Reset: true}); err != nil {
							return err
						}
					}
					for _, rec := range b.Put {
						if err := s.keep(ctx, bucket, core.Batch{Put: []core.Record{rec}}); err != nil {
							return err
						}
						retry(ctx)
					}
					return nil
				}
			},
		},
		{"loses what others write meanwhile", []string{"ConcurrentUse"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				b.Reset = true
				return s.keep(ctx, bucket, b)
			}
		}},
		{"ignores ctx", []string{"CallsReturnTheCause"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				return s.keep(context.WithoutCancel(ctx), bucket, b)
			}
		}},
		{"is never closed", []string{"ClosedIsClosed"}, func(s *brokenStore) {
			s.close = func() error { return nil }
		}},
		{"writes behind", []string{"WrittenIsDurable"}, func(s *brokenStore) {
			s.close = s.Store.Close
		}},
		{"returns what is damaged", []string{"DamageIsReported"}, func(s *brokenStore) {
			s.all, s.get = s.Store.All, s.Store.Get
		}},
		{"fails for ever where there is damage", []string{"DamageIsReported"}, func(s *brokenStore) {
			s.write = func(ctx context.Context, bucket string, b core.Batch) error {
				if len(s.disk.damaged) > 0 {
					return core.ErrCorrupt
				}
				return s.keep(ctx, bucket, b)
			}
		}},
		{"hides damage", []string{"DamageIsReported"}, func(s *brokenStore) {
			s.all = func(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
				return func(yield func(core.Record, error) bool) {
					for rec, err := range s.Store.All(ctx, bucket) {
						if !s.disk.harmed(bucket, rec.Key) && !yield(rec, err) {
							return
						}
					}
				}
			}
		}},
	} {
		for _, name := range row.cases {
			proven[name] = true
			t.Run(row.broken+"/"+name, func(t *testing.T) {
				caught(t, drivertest.RunCache(t, name, cacheHarness(row.by)))
			})
		}
	}
	everyCaseIsProven(t, proven, drivertest.CacheCases()...)
}

// clean leaves the empty and the oversized name to the store.
func clean(name string) string {
	if name == "" || len(name) > 1<<10 {
		return name
	}
	return path.Clean(name)
}
