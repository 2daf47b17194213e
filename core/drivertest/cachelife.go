package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/core"
)

func cacheLargeBatch(r *cacheRun) {
	records, want := numberedRecords(r.many, "first ")
	r.write("b", core.Batch{Put: records})
	got := r.read("b")
	if len(got) != len(want) {
		r.Errorf("All yielded %d of %d records of a large batch", len(got), len(want))
	}
	for k, v := range want {
		if string(got[k].Value) != v {
			r.Fatalf("All yields another value of %s than a large batch wrote", brief(k))
		}
	}
	r.write("b", core.Batch{Delete: []string{records[0].Key}, Put: records[1:2]})
	r.write("b", core.Batch{Reset: true, Put: records[:1]})
	r.want("b", map[string]string{records[0].Key: "first 0"})
}

// cacheAtomic replaces a bucket again and again while others read it.
func cacheAtomic(r *cacheRun) {
	const keys, rounds, readers = 20, 40, 3
	batch := func(n int) core.Batch {
		b := core.Batch{Reset: n%2 == 0}
		for k := range keys {
			b.Put = append(b.Put, record(fmt.Sprint("k", k), fmt.Sprint("round ", n)))
		}
		return b
	}
	r.write("b", batch(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				of, n := map[string]bool{}, 0
				for rec, err := range r.store.All(r.base.Context(), "b") {
					if err != nil {
						r.Errorf("All beside a Write ended with %v", err)
						return
					}
					of[string(rec.Value)] = true
					n++
				}
				if len(of) != 1 || n != keys {
					r.Errorf("All beside a Write yielded %d of %d records, of %d batches", n, keys, len(of))
					return
				}
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		if err := r.store.Write(r.base.Context(), "b", batch(n)); err != nil {
			r.Errorf("Write beside readers failed: %v", err)
		}
	}
	close(done)
	wg.Wait()
}

func cacheParallel(r *cacheRun) {
	const workers, rounds = 8, 15
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			ctx, key := r.base.Context(), fmt.Sprint("worker ", w)
			for n := range rounds {
				bucket := fmt.Sprint("bucket ", n%3)
				value := fmt.Sprint(n)
				if err := r.store.Write(ctx, bucket, core.Batch{Put: []core.Record{record(key, value)}}); err != nil {
					r.Errorf("Write beside other writers failed: %v", err)
				}
				if rec, err := r.store.Get(ctx, bucket, key); err != nil || string(rec.Value) != value {
					r.Errorf("Get of a key that nobody else writes: %q, %v; want %q", rec.Value, err, value)
				}
				for _, err := range r.store.All(ctx, bucket) {
					if err != nil {
						r.Errorf("All beside other writers failed: %v", err)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	for b := range 3 {
		if got := r.read(fmt.Sprint("bucket ", b)); len(got) != workers {
			r.Errorf("after %d concurrent writers there are %d records", workers, len(got))
		}
	}
}

func cacheInvalidBatch(r *cacheRun) {
	r.write("b", core.Batch{Put: []core.Record{record("a", "1")}})
	bad := core.Batch{Reset: true, Put: []core.Record{record("b", "2"), record("", "3")}}
	r.wantKind("Write of a batch with an empty key", r.store.Write(r.base.Context(), "b", bad), core.ErrInvalid)
	r.want("b", map[string]string{"a": "1"})
}

// calls are all methods but Close.
func (r *cacheRun) calls(ctx context.Context) map[string]error {
	_, get := r.store.Get(ctx, "b", "a")
	var all error
	for _, err := range r.store.All(ctx, "b") {
		all = err
	}
	return map[string]error{
		"Get": get, "All": all,
		"Write": r.store.Write(ctx, "b", core.Batch{Put: []core.Record{record("a", "2")}}),
	}
}

func cacheCause(r *cacheRun) {
	r.write("b", core.Batch{Put: []core.Record{record("a", "1")}})
	ctx, cancel := context.WithCancelCause(r.base.Context())
	cancel(errCallers)
	for what, err := range r.calls(ctx) {
		if !errors.Is(err, errCallers) {
			r.Errorf("%s whose ctx was cancelled: got error %v; want context.Cause(ctx)", what, err)
		}
	}
	r.want("b", map[string]string{"a": "1"})
}

func cacheClosed(r *cacheRun) {
	r.write("b", core.Batch{Put: []core.Record{record("a", "1")}})
	for range 2 {
		if err := r.store.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
		for what, err := range r.calls(r.base.Context()) {
			r.wantKind(what+" after Close", err, core.ErrClosed)
		}
	}
}

func cacheDurable(r *cacheRun) {
	records, want := numberedRecords(500, "value ")
	r.write("b", core.Batch{Put: records})
	r.write("another", core.Batch{Put: []core.Record{record("a", "1"), record("\x00/../", "")}})
	for range 2 {
		r.reopen(func() {})
		r.want("b", want)
		r.want("another", map[string]string{"a": "1", "\x00/../": ""})
		r.want("no such bucket", nil)
	}
	r.write("b", core.Batch{Reset: true, Put: []core.Record{record("a", "2")}})
	r.write("another", core.Batch{Delete: []string{"a"}})
	r.reopen(func() {})
	r.want("b", map[string]string{"a": "2"})
	r.want("another", map[string]string{"\x00/../": ""})
}

func cacheDamaged(r *cacheRun) {
	const secret = "hunter2-in-a-damaged-record"
	records, want := numberedRecords(50, secret)
	// Several writes, so that a store with generations has older ones too.
	r.write("b", core.Batch{Put: records[:10]})
	r.write("b", core.Batch{Put: records})
	r.write("healthy", core.Batch{Put: []core.Record{record("a", "1")}})
	victim := records[7].Key
	r.reopen(func() { r.area.Damage(r.base, "b", victim) })

	got, err := r.collect("b")
	for k, rec := range got {
		if string(rec.Value) != want[k] {
			r.Errorf("All yielded bytes for %s that were never written", brief(k))
		}
	}
	if _, whole := got[victim]; whole {
		r.Errorf("All yielded the record %s, which is damaged", brief(victim))
	}
	r.wantKind("All of a bucket with damage", err, core.ErrCorrupt)
	if err != nil && !strings.ContainsAny(err.Error(), "0123456789") {
		r.Errorf("the ErrCorrupt of All counts nothing: %v", err)
	}
	_, err = r.store.Get(r.base.Context(), "b", victim)
	r.wantKind("Get of a damaged record", err, core.ErrCorrupt)
	if err != nil && strings.Contains(err.Error(), secret) {
		r.Errorf("an error holds the value of a damaged record")
	}
	r.want("healthy", map[string]string{"a": "1"})

	r.write("b", core.Batch{Reset: true, Put: records})
	r.want("b", want)
	r.reopen(func() {})
	r.want("b", want)
	r.want("healthy", map[string]string{"a": "1"})
}
