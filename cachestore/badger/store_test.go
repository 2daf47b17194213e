package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func record(key, value string) core.Record {
	return core.Record{Key: key, Value: []byte(value), Revision: "7", SavedAt: time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)}
}

func put(records ...core.Record) core.Batch { return core.Batch{Put: records} }

// open makes a store that is closed with the test.
func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s := New(dir, opts)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func write(t testing.TB, s *Store, bucket string, b core.Batch) {
	t.Helper()
	if err := s.Write(t.Context(), bucket, b); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func contents(ctx context.Context, s *Store, bucket string) (map[string]string, error) {
	got := map[string]string{}
	for r, err := range s.All(ctx, bucket) {
		if err != nil {
			return got, err
		}
		got[r.Key] = string(r.Value)
	}
	return got, nil
}

func expect(t testing.TB, s *Store, bucket string, want map[string]string) {
	t.Helper()
	got, err := contents(t.Context(), s, bucket)
	if err != nil {
		t.Fatalf("All: %v", err)
	}
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("record %q is %.40q, want %.40q", k, got[k], v)
		}
	}
}

func expectKind(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want %v", what, err, kind)
	}
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// spoil flips one bit of each file of Badger where it holds text.
func spoil(t testing.TB, dir, text string) (found int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, dataName, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte(text))
			if i < 0 {
				break
			}
			b[at+i] ^= 1
			at += i + 1
			found++
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestStore_MeetsTheContract(t *testing.T) {
	drivertest.TestCacheStore(t, drivertest.CacheHarness{
		MaxValue: 2 << 20,
		Many:     20_000,
		Open: func(t testing.TB) drivertest.CacheArea {
			dir := t.TempDir()
			return drivertest.CacheArea{
				Store:  New(dir, Options{}),
				Reopen: func(testing.TB) core.CacheStore { return New(dir, Options{}) },
				Damage: func(t testing.TB, bucket, key string) {
					// The records of the kit end with the number that their key ends with.
					n := strings.TrimLeft(key[strings.LastIndexByte(key, '/')+1:], "0")
					if spoil(t, dir, "hunter2-in-a-damaged-record"+n) == 0 {
						t.Fatal("the record is not there")
					}
				},
			}
		},
	})
}

func TestStore_MeetsTheContractEncrypted(t *testing.T) {
	drivertest.TestCacheStore(t, drivertest.CacheHarness{
		Many: 5_000,
		Open: func(t testing.TB) drivertest.CacheArea {
			dir := t.TempDir()
			opts := Options{Key: testKey}
			return drivertest.CacheArea{
				Store:  New(dir, opts),
				Reopen: func(testing.TB) core.CacheStore { return New(dir, opts) },
				Damage: func(t testing.TB, bucket, key string) { falsify(t, dir, opts.Key, bucket, key) },
			}
		},
	})
}

// falsify changes a record behind the store's back, in a way that Badger finds
// nothing wrong with.
func falsify(t testing.TB, dir string, key []byte, bucket, name string) {
	t.Helper()
	db, err := openDatabase(filepath.Join(dir, dataName), key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	v, err := db.view()
	if err != nil {
		t.Fatal(err)
	}
	id := idOf(bucket)
	encoded, err := v.get(headKey(id))
	if err != nil {
		t.Fatal(err)
	}
	h, err := decodeHead(id, encoded)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := v.get(recordKey(id, h.generation, name))
	if err != nil || len(envelope) == 0 {
		t.Fatalf("the record is not there: %v", err)
	}
	v.discard()
	envelope[len(envelope)-1] ^= 1
	c := &change{}
	c.set(recordKey(id, h.generation, name), envelope)
	if err := errors.Join(db.commit(c), db.close()); err != nil {
		t.Fatal(err)
	}
}

func TestStore_ReopensWhatItWrote(t *testing.T) {
	for name, opts := range map[string]Options{"plain": {}, "encrypted": {Key: testKey}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			want := map[string]string{}
			for round := range 4 {
				s := New(dir, opts)
				expect(t, s, "b", want)
				for i := range 20 {
					k, v := fmt.Sprint("k", i), fmt.Sprint(round, strings.Repeat("v", 100*i*i))
					want[k] = v
					write(t, s, "b", put(record(k, v)))
				}
				expect(t, s, "b", want)
				shut(t, s)
				if st := s.Stats(); st.Damage != "" || st.LastError != nil {
					t.Errorf("stats: %+v", st)
				}
			}
		})
	}
}

func TestStore_CloseEndsAnAllInProgress(t *testing.T) {
	s := New(t.TempDir(), Options{})
	var b core.Batch
	for i := range 2 * pageRecords {
		b.Put = append(b.Put, record(fmt.Sprintf("k%05d", i), "v"))
	}
	write(t, s, "b", b)
	n := 0
	var end error
	for r, err := range s.All(t.Context(), "b") {
		if err != nil {
			end = err
			continue
		}
		if n++; string(r.Value) != "v" {
			t.Errorf("record %q is %q", r.Key, r.Value)
		}
		if n == 10 {
			for range 2 {
				shut(t, s)
			}
		}
	}
	if n != pageRecords {
		t.Errorf("%d records, want the %d that were read", n, pageRecords)
	}
	expectKind(t, "All across Close", end, core.ErrClosed)
}

func TestStore_AllSeesTheBucketAsItWas(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var b core.Batch
	for i := range 3 * pageRecords {
		b.Put = append(b.Put, record(fmt.Sprintf("k%05d", i), "old"))
	}
	write(t, s, "b", b)
	n := 0
	for r, err := range s.All(t.Context(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Value) != "old" {
			t.Fatalf("record %q is %q", r.Key, r.Value)
		}
		switch n++; n {
		case 5:
			write(t, s, "b", core.Batch{Put: []core.Record{record("k00500", "new"), record("x", "new")}, Delete: []string{"k00600"}})
		case 300:
			write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("only", "new")}})
		}
	}
	if n != 3*pageRecords {
		t.Errorf("%d records, want %d", n, 3*pageRecords)
	}
	expect(t, s, "b", map[string]string{"only": "new"})
}
