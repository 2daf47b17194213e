package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// profiles answers with a profile that holds the number of the call, until it fails.
type profiles struct {
	calls atomic.Int64
	fail  atomic.Pointer[error]
	same  atomic.Bool // every answer is the same
}

func (b *profiles) get(_ context.Context, id string) (profile, error) {
	n := b.calls.Add(1)
	if err := b.fail.Load(); err != nil && *err != nil {
		return profile{}, *err
	}
	if b.same.Load() {
		n = 0
	}
	return profile{Name: fmt.Sprint(id, " ", n)}, nil
}

func (b *profiles) set(err error) { b.fail.Store(&err) }

func expect(t *testing.T, f *policy.Fallback[string, profile], key, name string, level core.Level) {
	t.Helper()
	p, l, err := f.Get(t.Context(), key)
	if p.Name != name || l != level {
		t.Errorf("%s: got %q, %v, %v; want %q, %v", key, p.Name, l, err, name, level)
	}
}

func TestRemembered_WritesAboutOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		for i := range 500 {
			expect(t, f, "a", fmt.Sprint("a ", i+1), core.Live)
			time.Sleep(10 * time.Millisecond)
		}
		if n := store.written(); n < 5 || n > 7 {
			t.Errorf("%d writes in 5 s, want about one a second", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := f.Stats().Cache; s.Pending != 0 || s.Entries != 1 || s.WriteErrors != 0 {
			t.Errorf("%+v; want nothing pending", s)
		}
		// Without Close: synctest finds a goroutine that stays.
	})
}

func TestRemembered_TheSameAnswerIsWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{}, &profiles{}
		b.same.Store(true)
		f := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{MaxAge: 16 * time.Minute}).Must()
		for range 600 {
			expect(t, f, "a", "a 0", core.Live)
			time.Sleep(time.Second)
		}
		if n := store.written(); n != 10 {
			t.Errorf("%d writes in 10 min, want one a minute", n)
		}
	})
}

func TestRemembered_ServesWithAgeUntilMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &profiles{}
		f := policy.Try(nil, b.get).ThenCached(memory.New(), "b", policy.CacheOptions{MaxAge: time.Hour}).ThenDefault(guest).Must()
		expect(t, f, "a", "a 1", core.Live)
		b.set(io.EOF)
		time.Sleep(time.Hour)
		a, err := f.Ask(t.Context(), "a")
		if err != nil || a.Level != core.Cached || a.Age != time.Hour || a.Value.Name != "a 1" || !errors.Is(a.Cause, io.EOF) {
			t.Errorf("got %+v, %v", a, err)
		}
		if s := f.Stats(); s.Levels[1].Age != time.Hour || s.Levels[1].Answers != 1 || s.Levels[0].Errors != 1 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Millisecond)
		expect(t, f, "a", "Guest", core.Default)
		time.Sleep(5 * time.Second)
		if s := f.Stats().Cache; s.Expired != 1 || s.Entries != 0 || s.Bytes != 0 || s.Pending != 0 {
			t.Errorf("stats %+v; want it gone", s)
		}
	})
}

func TestRemembered_AFailingStoreIsTriedAgainAndHarmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{fail: core.ErrUnavailable}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		expect(t, f, "a", "a 1", core.Live)
		time.Sleep(5 * time.Minute)
		if n := store.written(); n < 10 || n > 16 {
			t.Errorf("%d tries in 5 min, want one each 30 s after the first ones", n)
		}
		if s := f.Stats().Cache; s.Pending != 1 || s.WriteErrors != uint64(store.written()) || !errors.Is(s.Err, core.ErrUnavailable) {
			t.Errorf("stats %+v", s)
		}
		b.set(io.EOF)
		expect(t, f, "a", "a 1", core.Cached)
		if err := f.Flush(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Flush says %v", err)
		}
		store.set(nil, false)
		time.Sleep(31 * time.Second)
		if s := f.Stats().Cache; s.Pending != 0 || s.Writes != 1 {
			t.Errorf("stats %+v; want it written", s)
		}
	})
}

func TestRemembered_AFailingStoreDoesNotMakeItGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{fail: core.ErrUnavailable}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{Entries: 10}).Must()
		for i := range 2000 {
			if i == 1000 {
				b.set(core.ErrNotFound)
			}
			_, _, _ = f.Get(t.Context(), fmt.Sprint(i))
		}
		if s := f.Stats().Cache; s.Pending > 2000 || s.Entries > 10 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Minute)
		store.set(nil, false)
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRemembered_ARecordThatIsTooLargeKeepsNoOtherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{tooLarge: "7"}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		for i := range 20 {
			_, _, _ = f.Get(t.Context(), fmt.Sprint(i))
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := f.Stats().Cache; s.Pending != 0 || s.Unkept != 1 {
			t.Errorf("stats %+v; want one given up", s)
		}
		n := 0
		for _, err := range store.store.All(t.Context(), "b") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 19 {
			t.Errorf("%d records in the store, want 19", n)
		}
	})
}

func TestRemembered_KeepsItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := memory.New(), &profiles{}
		b.same.Store(true)
		f := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{Entries: 3}).Must()
		for _, key := range []string{"a", "b", "c"} {
			expect(t, f, key, key+" 0", core.Live)
		}
		expect(t, f, "a", "a 0", core.Live) // b is now the least recently used
		expect(t, f, "d", "d 0", core.Live)
		b.set(io.EOF)
		expect(t, f, "b", "", core.None)
		expect(t, f, "a", "a 0", core.Cached)
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for r, err := range store.All(t.Context(), "b") {
			if err != nil || r.Key == "b" {
				t.Error("the store still has what was evicted")
			}
		}

		// What an earlier process left is within the bounds of this one: two records of 15 bytes.
		b.set(io.EOF)
		g := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{Bytes: 31}).Must()
		expect(t, g, "x", "", core.None)
		if s := g.Stats().Cache; s.Entries != 2 || s.Evicted != 1 || s.Bytes > 31 {
			t.Errorf("stats %+v; want 2 entries", s)
		}
		b.set(nil)
		long := strings.Repeat("l", 40)
		expect(t, g, long, long+" 0", core.Live)
		if s := g.Stats().Cache; s.Entries != 2 || s.Unkept != 1 {
			t.Errorf("stats %+v; want the long one left out", s)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRemembered_SurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	b := &profiles{}
	store := file.New(dir, file.Options{})
	f := policy.Try(nil, b.get).ThenCached(store, "profiles").Must()
	expect(t, f, "a", "a 1", core.Live)
	expect(t, f, "../b\x00", "../b\x00 2", core.Live)
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Get(t.Context(), "a"); !errors.Is(err, core.ErrClosed) {
		t.Errorf("after Close: %v; want %v", err, core.ErrClosed)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	b.set(refused)
	again := file.New(dir, file.Options{})
	defer func() { _ = again.Close() }()
	g := policy.Try(nil, b.get).ThenCached(again, "profiles").Must()
	expect(t, g, "a", "a 1", core.Cached)
	expect(t, g, "../b\x00", "../b\x00 2", core.Cached)
	if a, err := g.Ask(t.Context(), "a"); err != nil || a.Age < 0 || a.Age > time.Minute {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRemembered_DamageIsReportedAndNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := memory.New(), &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{Codec: shouting{}}).Must()
		for _, key := range []string{"good", "flipped", "swapped", "older", "unreadable"} {
			_, _, _ = f.Get(t.Context(), key)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		spoil := func(key string, how func([]byte) []byte) {
			r, err := store.Get(t.Context(), "b", key)
			if err == nil {
				r.Value = how(r.Value)
				err = store.Write(t.Context(), "b", core.Batch{Put: []core.Record{r}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		spoil("flipped", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		spoil("older", func([]byte) []byte { return []byte(`{"format":0}`) })
		good, err := store.Get(t.Context(), "b", "good")
		if err != nil {
			t.Fatal(err)
		}
		spoil("swapped", func([]byte) []byte { return good.Value })

		b.set(io.EOF)
		g := policy.Try(nil, b.get).ThenCached(store, "b", policy.CacheOptions{Codec: shouting{}}).ThenDefault(guest).Must()
		expect(t, g, "good", "GOOD 1", core.Cached)
		for _, key := range []string{"flipped", "swapped", "older"} {
			expect(t, g, key, "Guest", core.Default)
		}
		if s := g.Stats().Cache; s.Corrupt != 3 || s.Entries != 2 || !errors.Is(s.Err, core.ErrCorrupt) {
			t.Errorf("stats %+v; want 3 corrupt", s)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), "b", "flipped"); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("the damaged record is still there: %v", err)
		}
	})
}

func TestRemembered_ACodecThatFailsIsCounted(t *testing.T) {
	store := memory.New()
	codec := policy.CacheOptions{Codec: shouting{}}
	f := policy.Try(nil, answering(nil)).ThenCached(store, "b", codec).Must()
	for _, key := range []string{"unwritable", "unreadable"} {
		expect(t, f, key, key, core.Live)
	}
	if s := f.Stats().Cache; s.Unkept != 1 || s.Entries != 1 {
		t.Errorf("stats %+v; want one not kept", s)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := policy.Try(nil, answering(io.EOF)).ThenCached(store, "b", codec).ThenDefault(guest).Must()
	expect(t, g, "unreadable", "Guest", core.Default)
	if s := g.Stats().Cache; s.Corrupt != 1 || s.Entries != 0 {
		t.Errorf("stats %+v; want one corrupt", s)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRemembered_NotFoundForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, keep := range []bool{false, true} {
			b := &profiles{}
			f := policy.Try(nil, b.get).ThenCached(memory.New(), "b")
			want := core.None
			if keep {
				f, want = f.On(core.ErrNotFound, core.ErrUnavailable), core.Cached
			}
			expect(t, f, "a", "a 1", core.Live)
			b.set(core.ErrNotFound)
			_, level, _ := f.Get(t.Context(), "a")
			b.set(core.ErrUnavailable)
			_, then, err := f.Get(t.Context(), "a")
			if level != want || then != want {
				t.Errorf("keep %v: got %v, then %v, %v; want %v", keep, level, then, err, want)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRemembered_ReadsTheStoreOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{}, &profiles{}
		b.set(io.EOF)
		f := policy.Try(nil, b.get).ThenCached(store, "b").ThenEmpty().Must()
		for i := range 100 {
			expect(t, f, fmt.Sprint(i%7), "", core.Empty)
		}
		if store.reads != 1 {
			t.Errorf("%d reads of the bucket, want 1", store.reads)
		}
	})
}

func TestRemembered_AHangingStoreHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{hang: true}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").ThenDefault(guest).Must()
		began := time.Now()
		expect(t, f, "a", "a 1", core.Live)
		b.set(io.EOF)
		expect(t, f, "a", "a 1", core.Cached)
		if d := time.Since(began); d != 0 {
			t.Errorf("what is in memory took %v", d)
		}
		expect(t, f, "b", "Guest", core.Default)
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("waited %v for the store, want 2s", d)
		}
		began = time.Now()
		if err := f.Close(t.Context()); err == nil {
			t.Error("Close says that all was written")
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestRemembered_WhatIsForgottenWhileTheBucketIsReadStaysForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := memory.New(), &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		expect(t, f, "a", "a 1", core.Live)
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		slow := &slowReads{Store: store, go1: make(chan struct{})}
		g := policy.Try(nil, b.get).ThenCached(slow, "b").Must()
		b.set(core.ErrNotFound)
		expect(t, g, "a", "", core.None)
		time.Sleep(5 * time.Second) // the removal is written
		close(slow.go1)
		synctest.Wait()
		b.set(io.EOF)
		expect(t, g, "a", "", core.None)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// slowReads reads at once and yields when go1 is closed.
type slowReads struct {
	*memory.Store
	go1 chan struct{}
}

func (s *slowReads) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		var records []core.Record
		for r, err := range s.Store.All(ctx, bucket) {
			if err != nil {
				yield(core.Record{}, err)
				return
			}
			records = append(records, r)
		}
		<-s.go1
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestRemembered_ServesWhatADamagedStoreStillHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, b := &moodyStore{}, &profiles{}
		f := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		expect(t, f, "a", "a 1", core.Live)
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		store.set(fmt.Errorf("2 records are damaged: %w", core.ErrCorrupt), false)
		b.set(io.EOF)
		g := policy.Try(nil, b.get).ThenCached(store, "b").Must()
		expect(t, g, "a", "a 1", core.Cached)
		if s := g.Stats().Cache; s.Corrupt != 1 || !errors.Is(s.Err, core.ErrCorrupt) {
			t.Errorf("stats %+v", s)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRemembered_AStoreThatPanicsIsAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &profiles{}
		f := policy.Try(nil, b.get).ThenCached(panicky{}, "b").ThenDefault(guest).Must()
		expect(t, f, "a", "a 1", core.Live)
		b.set(io.EOF)
		expect(t, f, "a", "a 1", core.Cached)
		expect(t, f, "b", "Guest", core.Default)
		if err := f.Close(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Close: %v", err)
		}
	})
}

// panicky is a store that was not thought through.
type panicky struct{ core.CacheStore }

func (panicky) All(context.Context, string) iter.Seq2[core.Record, error] { panic("all") }
func (panicky) Write(context.Context, string, core.Batch) error           { panic("write") }
