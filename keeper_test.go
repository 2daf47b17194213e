package holdfast

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/core"
)

// scripted is a cache store that fails or hangs on demand and notes each write.
type scripted struct {
	mu       sync.Mutex
	fail     error
	hang     bool
	tooLarge string // the key of a record that is refused
	batches  []core.Batch
	records  []core.Record
}

func (s *scripted) Get(context.Context, string, string) (core.Record, error) {
	return core.Record{}, core.ErrNotFound
}

func (s *scripted) All(context.Context, string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		s.mu.Lock()
		records, fail := s.records, s.fail
		s.mu.Unlock()
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
		if fail != nil {
			yield(core.Record{}, fail)
		}
	}
}

func (s *scripted) Write(ctx context.Context, _ string, b core.Batch) error {
	s.mu.Lock()
	fail, hang := s.fail, s.hang
	s.batches = append(s.batches, b)
	s.mu.Unlock()
	if slices.ContainsFunc(b.Put, func(r core.Record) bool { return s.tooLarge != "" && r.Key == s.tooLarge }) {
		return core.ErrInvalid
	}
	if hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return fail
}

func (s *scripted) Close() error { return nil }

func (s *scripted) set(fail error, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.hang = fail, hang
}

func (s *scripted) written() []core.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

func quiet() *journal { return newJournal(slog.New(slog.DiscardHandler)) }

func TestKeeper_WritesAboutOnceASecondPerBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		k := newKeeper(s, quiet())
		for range 50 {
			k.save("b", core.Batch{Put: []core.Record{{Key: "k", Value: []byte(time.Now().String())}}})
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(s.written()); n < 5 || n > 7 {
			t.Errorf("%d writes in 5 s, want about one a second", n)
		}
		if err := k.close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := k.Status().Pending; n != 0 {
			t.Errorf("%d records pending after close", n)
		}
	})
}

func TestKeeper_KeepsTryingAndTellsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: core.ErrUnavailable}
		j := quiet()
		k := newKeeper(s, j)
		k.save("b", core.Batch{Put: []core.Record{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("1")}}})
		time.Sleep(5 * time.Minute)
		k.save("b", core.Batch{Put: []core.Record{{Key: "a", Value: []byte("2")}}, Delete: []string{"b"}})
		if st := k.Status(); !errors.Is(st.Err, core.ErrUnavailable) || st.Pending != 2 {
			t.Errorf("status %+v; want unavailable with 2 pending", st)
		}
		if n := len(s.written()); n < 9 || n > 12 {
			t.Errorf("%d tries in 5 min, want one each 30 s", n)
		}
		s.set(nil, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		batches := s.written()
		last := batches[len(batches)-1]
		want := core.Batch{Put: []core.Record{{Key: "a", Value: []byte("2")}}, Delete: []string{"b"}}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("what was written in the end (-want +got):\n%s", diff)
		}
		if n := j.count()[EventCache]; n != 2 {
			t.Errorf("%d cache events, want 2: fails, works", n)
		}
		if err := k.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_ReadDoesNotHideThatWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: core.ErrUnavailable}
		j := quiet()
		k := newKeeper(s, j)
		k.save("b", core.Batch{Put: []core.Record{{Key: "a"}}})
		time.Sleep(2 * time.Second)
		s.set(nil, false)
		if _, err := k.load(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if st := k.Status(); !errors.Is(st.Err, core.ErrUnavailable) || j.count()[EventCache] != 1 {
			t.Errorf("after a read that worked: %+v, events %v", st, j.count())
		}
		time.Sleep(time.Minute)
		if st := k.Status(); st.Err != nil || st.Pending != 0 || j.count()[EventCache] != 2 {
			t.Errorf("after a write that worked: %+v, events %v", st, j.count())
		}
		if err := k.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_CloseIsBoundedWhenTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(&scripted{hang: true}, quiet())
		k.save("b", core.Batch{Put: []core.Record{{Key: "a"}}})
		synctest.Wait()
		began := time.Now()
		if err := k.close(t.Context()); err == nil {
			t.Error("close says that all was flushed")
		}
		if d := time.Since(began); d > flushAtClose {
			t.Errorf("close took %v", d)
		}
		synctest.Wait()
	})
}

func TestKeeper_CloseFlushesAfterItsCtxWasUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		k := newKeeper(s, quiet())
		k.save("b", core.Batch{Put: []core.Record{{Key: "k", Value: []byte("v")}}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // as by a dead backend that took all of the time
		if err := k.close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if len(s.written()) == 0 {
			t.Error("what was pending is lost")
		}

		k = newKeeper(&scripted{hang: true}, quiet())
		k.save("b", core.Batch{Put: []core.Record{{Key: "k", Value: []byte("v")}}})
		began := time.Now()
		if err := k.close(ctx); err == nil || time.Since(began) != flushAtLeast {
			t.Errorf("close with an ended ctx and a store that hangs: %v after %v", err, time.Since(began))
		}
	})
}

func TestKeeper_FlushAwaitsWhatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &scripted{hang: true}
		k := newKeeper(store, quiet())
		k.save("b", core.Batch{Put: []core.Record{{Key: "k"}}})
		synctest.Wait() // the loop hangs in its first write, for saveTimeout

		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.flush(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush returned %v while the record was not written; want its deadline", err)
		}
		store.set(nil, false)
		if err := k.flush(t.Context()); err != nil || len(store.written()) != 2 {
			t.Errorf("flush returned %v after %d writes; want nil after the second", err, len(store.written()))
		}
		if err := k.close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestKeeper_ResetForgetsWhatWasPendingBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: core.ErrThrottled}
		k := newKeeper(s, quiet())
		k.save("b", core.Batch{Put: []core.Record{{Key: "old"}}})
		synctest.Wait()
		k.save("b", core.Batch{Reset: true, Put: []core.Record{{Key: "new"}}})
		s.set(nil, false)
		if err := k.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := core.Batch{Reset: true, Put: []core.Record{{Key: "new"}}}
		batches := s.written()
		if diff := cmp.Diff(want, batches[len(batches)-1]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := k.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_RecordThatTheStoreCanNeverTakeKeepsNoOtherFromTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := &scripted{tooLarge: "huge"}, quiet()
		k := newKeeper(s, j)
		k.save("b", core.Batch{Reset: true, Put: []core.Record{{Key: "huge"}, {Key: "fine"}}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := k.Status(); st.Pending != 0 || st.Err != nil || j.count()[EventCache] != 1 {
			t.Errorf("status %+v, %d events; want nothing pending and one event", st, j.count()[EventCache])
		}
		if n := len(s.written()); n != 4 {
			t.Errorf("%d writes, want 4: the whole, what it removes, and each record", n)
		}
		if err := k.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_FindsTheRecordThatIsTooLargeInAFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		s, j := &scripted{tooLarge: "7777"}, quiet()
		k := newKeeper(s, j)
		var b core.Batch
		for i := range n {
			b.Put = append(b.Put, core.Record{Key: strconv.Itoa(i)})
		}
		k.save("b", b)
		time.Sleep(time.Minute)
		synctest.Wait()
		if w := len(s.written()); w > 40 {
			t.Errorf("%d writes for %d records, of which one is too large; want some 30", w, n)
		}
		kept := make(map[string]bool)
		for _, b := range s.written() {
			if !slices.ContainsFunc(b.Put, func(r core.Record) bool { return r.Key == s.tooLarge }) {
				for _, r := range b.Put {
					kept[r.Key] = true
				}
			}
		}
		if len(kept) != n-1 || j.count()[EventCache] != 1 {
			t.Errorf("%d of %d records kept, %d events; want all but one, and one event", len(kept), n, j.count()[EventCache])
		}
		if err := k.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_NilKeepsNothing(t *testing.T) {
	if newKeeper((*scripted)(nil), quiet()) != nil {
		t.Error("a nil store in an interface is taken for a store")
	}
	var k *keeper
	k.save("b", core.Batch{Reset: true})
	if r, err := k.load(t.Context(), "b"); r != nil || err != nil {
		t.Errorf("load: %v, %v", r, err)
	}
	if err := errors.Join(k.flush(t.Context()), k.close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestConfig_StoreThatOpensLateIsReadThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := configRecord{keys: map[string][]byte{"n": []byte("7")}}
		sealed, err := rec.seal("n")
		if err != nil {
			t.Fatal(err)
		}
		broken := append([]byte(nil), sealed...)
		broken[len(broken)-3] ^= 1
		s := &scripted{fail: core.ErrUnavailable}
		c, err := OpenConfig(dead{}, ConfigOptions{Cache: s, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		n, err := Bind(c, "n", 1)
		if err != nil {
			t.Fatal(err)
		}
		damaged, err := Bind(c, "damaged", 1)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		s.mu.Lock()
		s.fail = nil
		s.records = []core.Record{{Key: "n", Value: sealed, SavedAt: time.Now()}, {Key: "damaged", Value: broken}, {Key: "other", Value: sealed}}
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n.Get() != 7 || n.Status().Level != core.Cached || damaged.Get() != 1 {
			t.Errorf("n is %d at %v, damaged %d", n.Get(), n.Status().Level, damaged.Get())
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// dead is a source that is not there.
type dead struct{}

func (dead) Origin() string { return "dead" }

func (dead) Load(context.Context) (core.Snapshot[[]byte], error) {
	return core.Snapshot[[]byte]{}, core.ErrUnavailable
}

func (dead) Watch(context.Context, core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return func(yield func(core.Update[[]byte], error) bool) { yield(core.Update[[]byte]{}, core.ErrUnavailable) }
}

func TestUnseal_NeverTrustsAByte(t *testing.T) {
	sealed, err := seal(map[string]string{"k": "<value & more>"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := unseal(sealed, &got); err != nil || got["k"] != "<value & more>" {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range sealed {
		for _, damaged := range [][]byte{sealed[:i], flipped(sealed, i)} {
			var got map[string]string
			if err := unseal(damaged, &got); err == nil && got["k"] != "<value & more>" {
				t.Fatalf("byte %d: %q was read as %v", i, damaged, got)
			} else if err != nil && !errors.Is(err, core.ErrCorrupt) {
				t.Fatalf("byte %d: %v is not ErrCorrupt", i, err)
			}
		}
	}
}

func flipped(b []byte, i int) []byte {
	c := append([]byte(nil), b...)
	c[i] ^= 0x10
	return c
}
