package drivertest

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func cacheGets(r *cacheRun) {
	r.wantNone("b", "a")
	r.write("b", core.Batch{Put: []core.Record{record("a", "1")}})
	r.wantRecord("b", "a", "1")
	r.write("b", core.Batch{Put: []core.Record{record("a", "2")}})
	r.wantRecord("b", "a", "2")
	r.write("b", core.Batch{Delete: []string{"a", "no such key"}})
	r.wantNone("b", "a")
}

func cacheYields(r *cacheRun) {
	r.want("no such bucket", nil)
	want := map[string]string{"a": "1", "b": "2", "c": ""}
	r.write("b", core.Batch{Put: []core.Record{record("a", "1"), record("b", "2"), record("c", "")}})
	r.want("b", want)
	seen := 0
	for _, err := range r.store.All(r.base.Context(), "b") {
		if err != nil {
			r.Fatalf("All ended with %v", err)
		}
		seen++
		break
	}
	if seen != 1 {
		r.Errorf("All yielded %d records before a break at the first", seen)
	}
	// What breaks out must hold no lock.
	r.write("b", core.Batch{Delete: []string{"c"}})
	delete(want, "c")
	r.want("b", want)
	seq := r.store.All(r.base.Context(), "b")
	for range 2 {
		n := 0
		for _, err := range seq {
			if err != nil {
				r.Errorf("ranging again over the same sequence failed: %v", err)
				break
			}
			n++
		}
		if n != 2 {
			r.Errorf("ranging again over the same sequence yielded %d records; want 2", n)
		}
	}
}

func cacheBatchOrder(r *cacheRun) {
	r.write("b", core.Batch{Put: []core.Record{record("a", "1"), record("b", "1"), record("c", "1")}})
	r.write("b", core.Batch{Put: []core.Record{record("a", "2"), record("d", "2")}, Delete: []string{"a", "b"}})
	r.want("b", map[string]string{"a": "2", "c": "1", "d": "2"})
	r.write("b", core.Batch{Put: []core.Record{record("a", "3"), record("a", "4")}})
	r.want("b", map[string]string{"a": "4", "c": "1", "d": "2"})
	r.write("b", core.Batch{})
	r.want("b", map[string]string{"a": "4", "c": "1", "d": "2"})
	r.write("b", core.Batch{Reset: true, Put: []core.Record{record("e", "5")}, Delete: []string{"e", "a"}})
	r.want("b", map[string]string{"e": "5"})
	r.write("b", core.Batch{Reset: true})
	r.want("b", nil)
	r.write("b", core.Batch{Put: []core.Record{record("f", "6")}})
	r.want("b", map[string]string{"f": "6"})
}

func cacheBucketsApart(r *cacheRun) {
	buckets := []string{"foo", "foobar", "foo/bar", "foo/", "Foo", "fo", "foo\x00", "foo%2Fbar"}
	for _, b := range buckets {
		r.write(b, core.Batch{Put: []core.Record{record("bar/a", b), record("a", b)}})
	}
	for _, b := range buckets {
		r.want(b, map[string]string{"bar/a": b, "a": b})
	}
	r.write("foo", core.Batch{Reset: true})
	r.want("foo", nil)
	for _, b := range buckets[1:] {
		r.want(b, map[string]string{"bar/a": b, "a": b})
	}
}

func cacheNames(r *cacheRun) {
	const longest = 1 << 10
	names := append(oddNames(300), strings.Repeat("n", longest), strings.Repeat("/", longest), strings.Repeat("\x00", longest))
	want := map[string]string{}
	for _, k := range names {
		r.write("bucket", core.Batch{Put: []core.Record{record(k, "value of "+k)}})
		want[k] = "value of " + k
	}
	r.want("bucket", want)
	for _, b := range names {
		r.write(b, core.Batch{Put: []core.Record{record("key", "in "+b)}})
	}
	for _, b := range names {
		r.want(b, map[string]string{"key": "in " + b})
	}
	for what, name := range map[string]string{"empty": "", "oversized": strings.Repeat("n", longest+1)} {
		r.wantKind(what+" bucket, Write", r.store.Write(r.base.Context(), name, core.Batch{Put: []core.Record{record("a", "1")}}), core.ErrInvalid)
		r.wantKind(what+" key, Write", r.store.Write(r.base.Context(), "b", core.Batch{Put: []core.Record{record(name, "1")}}), core.ErrInvalid)
		_, err := r.store.Get(r.base.Context(), name, "a")
		r.wantKind(what+" bucket, Get", err, core.ErrInvalid)
		_, err = r.store.Get(r.base.Context(), "b", name)
		r.wantKind(what+" key, Get", err, core.ErrInvalid)
		_, err = r.collect(name)
		r.wantKind(what+" bucket, All", err, core.ErrInvalid)
	}
}

func (r *cacheRun) wantKind(what string, err, kind error) {
	r.Helper()
	if !errors.Is(err, kind) {
		r.Errorf("%s: got error %v; want %v", what, err, kind)
	}
}

func cacheValues(r *cacheRun) {
	want := map[string]string{
		"empty": "", "nul": "\x00", "no utf-8": "\xff\xfe\x80", "text": "line\r\nbreak \u2028 ünï", "json": `{"a":"</script>"}`,
		"big": string(bytes.Repeat([]byte{0, 1, '\n', 0xff}, r.maxValue/4)),
	}
	for k, v := range want {
		r.write("b", core.Batch{Put: []core.Record{record(k, v)}})
	}
	r.want("b", want)
}

func cacheOwnValues(r *cacheRun) {
	value := []byte("as it was written")
	rec := record("a", "")
	rec.Value = value
	put := []core.Record{rec}
	r.write("b", core.Batch{Put: put})
	clear(value)
	put[0].Key = "spoilt"
	r.want("b", map[string]string{"a": "as it was written"})

	got, err := r.store.Get(r.base.Context(), "b", "a")
	if err != nil {
		r.Fatalf("Get failed: %v", err)
	}
	clear(got.Value)
	for _, rec := range r.read("b") {
		clear(rec.Value)
	}
	r.want("b", map[string]string{"a": "as it was written"})
}

func cacheSavedAt(r *cacheRun) {
	zone := time.FixedZone("far", 13*3600+1800)
	for key, at := range map[string]time.Time{
		"with milliseconds": time.Date(2026, 11, 5, 1, 2, 3, 456_000_000, time.UTC),
		"in another zone":   time.Date(2026, 11, 5, 1, 2, 3, 999_999_999, zone),
		"in the future":     time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC),
		"long ago":          time.Date(1970, 1, 1, 0, 0, 0, 1_000_000, time.UTC),
		"now":               time.Now(),
	} {
		want := core.Record{Key: key, Value: []byte("v"), Revision: core.Revision("any text: " + key + "\x00é"), SavedAt: at}
		r.write("b", core.Batch{Put: []core.Record{want}})
		got, err := r.store.Get(r.base.Context(), "b", key)
		if err != nil {
			r.Fatalf("Get failed: %v", err)
		}
		if d := got.SavedAt.Sub(at); d <= -time.Millisecond || d >= time.Millisecond {
			r.Errorf("SavedAt %s: got %v; want %v to the millisecond", key, got.SavedAt, at)
		}
		if got.Revision != want.Revision {
			r.Errorf("Revision of the record %s: got %q; want %q", key, got.Revision, want.Revision)
		}
	}
	r.write("b", core.Batch{Reset: true, Put: []core.Record{{Key: "bare", SavedAt: saved}}})
	if got, err := r.store.Get(r.base.Context(), "b", "bare"); err != nil || got.Revision != "" || len(got.Value) != 0 {
		r.Errorf("a record without Revision and Value came back with %q and %d bytes, error %v", got.Revision, len(got.Value), err)
	}
}
