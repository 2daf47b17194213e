package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// TestCacheStore checks a [core.CacheStore] against the contract of package core,
// one subtest per rule. A failure names the rule that was broken.
func TestCacheStore(t *testing.T, h CacheHarness) {
	t.Helper()
	for _, c := range cacheChecks() {
		t.Run(c.name, func(t *testing.T) { performCache(t, c, h) })
	}
}

func cacheChecks() []check[*cacheRun] {
	volatile := lacks(func(r *cacheRun) bool { return r.area.Reopen == nil }, "the store keeps nothing beyond Close (the harness has no Reopen)")
	whole := lacks(func(r *cacheRun) bool { return r.area.Reopen == nil || r.area.Damage == nil }, "the harness has no Damage or no Reopen")
	return []check[*cacheRun]{
		{name: "GetReturnsWhatWasWritten", rule: ruleCacheGet, run: cacheGets},
		{name: "AllYieldsTheBucket", rule: ruleCacheAll, run: cacheYields},
		{name: "BatchOrder", rule: ruleBatch, run: cacheBatchOrder},
		{name: "BucketsAreApart", rule: ruleNames, run: cacheBucketsApart},
		{name: "AnyTextIsAName", rule: ruleNames, run: cacheNames},
		{name: "AnyBytesAreAValue", rule: ruleCacheGet, run: cacheValues},
		{name: "ValuesAreTheCallers", rule: ruleOwnValues, run: cacheOwnValues},
		{name: "RevisionAndSavedAtAreKept", rule: ruleSavedAt, run: cacheSavedAt},
		{name: "LargeBatch", rule: ruleAtomic, run: cacheLargeBatch},
		{name: "ReadersSeeWholeBatches", rule: ruleAtomic, run: cacheAtomic},
		{name: "ConcurrentUse", rule: ruleParallel, run: cacheParallel},
		{name: "InvalidBatchChangesNothing", rule: ruleAtomic, run: cacheInvalidBatch},
		{name: "CallsReturnTheCause", rule: ruleCancel, run: cacheCause},
		{name: "ClosedIsClosed", rule: ruleClosed, run: cacheClosed},
		{name: "WrittenIsDurable", rule: ruleDurable, run: cacheDurable, missing: volatile},
		{name: "DamageIsReported", rule: ruleCorrupt, run: cacheDamaged, missing: whole},
	}
}

// cacheRun is one case's view of a cache store.
type cacheRun struct {
	testing.TB // failures name the rule
	base       testing.TB
	area       CacheArea
	store      core.CacheStore
	maxValue   int
	many       int
}

func performCache(t testing.TB, c check[*cacheRun], h CacheHarness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("drivertest: CacheHarness needs Open")
	}
	perform(t, c, func(t testing.TB, rule string) *cacheRun {
		area := h.Open(t)
		if area.Store == nil {
			t.Fatal("drivertest: CacheArea needs Store")
		}
		r := &cacheRun{
			TB: ruled{t, rule}, base: t, area: area,
			maxValue: orDefault(h.MaxValue, 1<<20), many: orDefault(h.Many, 10_000),
		}
		r.use(area.Store)
		return r
	})
}

// use makes s the store of the case and closes it at the end.
func (r *cacheRun) use(s core.CacheStore) {
	r.store = s
	r.base.Cleanup(func() {
		if err := s.Close(); err != nil {
			ruled{r.base, ruleClosed}.Errorf("Close: %v", err)
		}
	})
}

// reopen closes the store and opens it anew.
func (r *cacheRun) reopen(between func()) {
	r.Helper()
	if err := r.store.Close(); err != nil {
		r.Fatalf("Close: %v", err)
	}
	between()
	r.use(r.area.Reopen(r.base))
}

// saved is the time of all records that the kit writes.
var saved = time.Date(2026, 11, 5, 12, 30, 0, 123_000_000, time.UTC)

func record(key, value string) core.Record {
	return core.Record{Key: key, Value: []byte(value), Revision: "r1", SavedAt: saved}
}

func (r *cacheRun) write(bucket string, b core.Batch) {
	r.Helper()
	if err := r.store.Write(r.base.Context(), bucket, b); err != nil {
		r.Fatalf("Write to %s failed: %v", brief(bucket), err)
	}
}

// read returns the whole bucket; what ends it must be nil.
func (r *cacheRun) read(bucket string) map[string]core.Record {
	r.Helper()
	got, err := r.collect(bucket)
	if err != nil {
		r.Fatalf("All of %s ended with %v", brief(bucket), err)
	}
	return got
}

// collect returns what All yields and the error that it ends with.
func (r *cacheRun) collect(bucket string) (map[string]core.Record, error) {
	r.Helper()
	got := map[string]core.Record{}
	var end error
	for rec, err := range r.store.All(r.base.Context(), bucket) {
		if end != nil {
			r.Fatalf("All went on after it had yielded an error")
		}
		if err != nil {
			if rec.Key != "" || rec.Value != nil {
				r.Errorf("All yielded an error together with a record")
			}
			end = err
			continue
		}
		if _, twice := got[rec.Key]; twice {
			r.Errorf("All yielded the record %s twice", brief(rec.Key))
		}
		got[rec.Key] = rec
	}
	return got, end
}

// want checks a bucket against keys and values, through All and through Get.
func (r *cacheRun) want(bucket string, want map[string]string) {
	r.Helper()
	got := r.read(bucket)
	for k, v := range want {
		if rec, ok := got[k]; !ok {
			r.Errorf("All of %s lacks the record %s", brief(bucket), brief(k))
		} else if string(rec.Value) != v {
			r.Errorf("All of %s yields another value of %s (%d bytes) than was written (%d bytes)", brief(bucket), brief(k), len(rec.Value), len(v))
		}
		r.wantRecord(bucket, k, v)
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			r.Errorf("All of %s yields the record %s, which should not be there", brief(bucket), brief(k))
		}
	}
}

func (r *cacheRun) wantRecord(bucket, key, value string) {
	r.Helper()
	rec, err := r.store.Get(r.base.Context(), bucket, key)
	if err != nil {
		r.Errorf("Get of %s in %s failed: %v", brief(key), brief(bucket), err)
		return
	}
	if rec.Key != key || !bytes.Equal(rec.Value, []byte(value)) || rec.Revision != "r1" || !rec.SavedAt.Equal(saved) {
		r.Errorf("Get of %s in %s returned another record than was written: key %s, %d bytes, revision %q, saved at %v",
			brief(key), brief(bucket), brief(rec.Key), len(rec.Value), rec.Revision, rec.SavedAt)
	}
}

func (r *cacheRun) wantNone(bucket, key string) {
	r.Helper()
	if _, err := r.store.Get(r.base.Context(), bucket, key); !errors.Is(err, core.ErrNotFound) {
		r.Errorf("Get of %s in %s: got error %v; want %v", brief(key), brief(bucket), err, core.ErrNotFound)
	}
}

func numberedRecords(n int, value string) ([]core.Record, map[string]string) {
	records, want := make([]core.Record, n), make(map[string]string, n)
	for i := range records {
		records[i] = record(fmt.Sprintf("key/%06d", i), fmt.Sprint(value, i))
		want[records[i].Key] = string(records[i].Value)
	}
	return records, want
}
