package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
)

var saved = time.Date(2026, 11, 21, 11, 0, 0, 123456789, time.UTC)

func record(key, value string) core.Record {
	return core.Record{Key: key, Value: []byte(value), Revision: "7", SavedAt: saved}
}

func put(records ...core.Record) core.Batch { return core.Batch{Put: records} }

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
		t.Fatalf("Write to %q: %v", bucket, err)
	}
}

// content returns what All yields, and its error.
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
		t.Errorf("All of %q: %v", bucket, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("All of %q (-want +got):\n%s", bucket, diff)
	}
}

func expectKind(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want %v", what, err, kind)
	}
}

// files returns the names in dir that contain part.
func files(t testing.TB, dir, part string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.Contains(e.Name(), part) {
			names = append(names, e.Name())
		}
	}
	return names
}

func conformance(t *testing.T, key []byte) {
	drivertest.TestCacheStore(t, drivertest.CacheHarness{Open: func(t testing.TB) drivertest.CacheArea {
		dir := filepath.Join(t.TempDir(), "cache")
		again := func(testing.TB) core.CacheStore { return New(dir, Options{Key: key}) }
		return drivertest.CacheArea{
			Store:  again(t),
			Reopen: again,
			Damage: func(t testing.TB, bucket, key string) { damage(t, dir, bucket, key) },
		}
	}})
}

func TestStore_Conformance(t *testing.T) { conformance(t, nil) }

func TestStore_ConformanceEncrypted(t *testing.T) { conformance(t, testKey) }

// damage flips a bit of a record's line in each generation, of the first record's
// where that one isn't there. Encrypted documents are those of testKey.
func damage(t testing.TB, dir, bucket, key string) {
	t.Helper()
	hit := false
	for _, sealKey := range [][]byte{nil, testKey} {
		for _, end := range []string{current, previous} {
			path := filepath.Join(dir, stem(bucket, sealKey != nil)+end)
			doc, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			sealer, err := newSealer(sealKey)
			if err != nil {
				t.Fatal(err)
			}
			read, _ := decode(bucket, doc, sealer) // it may be damaged elsewhere already
			number := max(slices.Index(slices.Sorted(maps.Keys(read.records)), key), 0)
			lines := bytes.SplitAfter(doc, []byte("\n"))
			lines[2+number][0] ^= 1
			if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
				t.Fatal(err)
			}
			hit = true
		}
	}
	if !hit {
		t.Fatalf("no document of %q", bucket)
	}
}

func TestNew_TouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := New(dir, Options{})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("New made the folder: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("Close made the folder: %v", err)
	}
}

func TestNew_ReportsWhatCannotWork(t *testing.T) {
	for name, s := range map[string]*Store{
		"no folder":      New("", Options{}),
		"short key":      New(t.TempDir(), Options{Key: []byte("short")}),
		"short old key":  New(t.TempDir(), Options{Key: testKey, OldKeys: [][]byte{[]byte("short")}}),
		"old key alone":  New(t.TempDir(), Options{OldKeys: [][]byte{testKey}}),
		"negative bound": New(t.TempDir(), Options{MaxBucketBytes: -1}),
	} {
		_, err := s.Get(t.Context(), "b", "k")
		expectKind(t, name+": Get", err, core.ErrInvalid)
		expectKind(t, name+": Write", s.Write(t.Context(), "b", put(record("k", "v"))), core.ErrInvalid)
		if strings.Contains(err.Error(), "short") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestStore_KeepsRecordsExactly(t *testing.T) {
	dir := t.TempDir()
	want := []core.Record{
		record("text", "a: 1\nb: <&>\u2028\x00"),
		{Key: "binary \xff key", Value: []byte{0xff, 0, '\n'}, Revision: "\xfe", SavedAt: saved},
		{Key: "nothing", SavedAt: time.Time{}},
		{Key: "empty", Value: []byte{}, SavedAt: saved},
		{Key: "zone", Value: []byte("v"), SavedAt: saved.In(time.FixedZone("x", 3600))},
	}
	s := open(t, dir, Options{})
	write(t, s, "b", put(want...))
	again := open(t, dir, Options{})
	for _, r := range want {
		for name, s := range map[string]*Store{"the writer": s, "another": again} {
			got, err := s.Get(t.Context(), "b", r.Key)
			if err != nil {
				t.Fatalf("%s: Get %q: %v", name, r.Key, err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", name, r.Key, diff)
			}
		}
	}
}

func TestStore_SharesNoMemory(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := record("k", "value")
	write(t, s, "b", put(r))
	r.Value[0] = 'X'
	got, err := s.Get(t.Context(), "b", "k")
	if err != nil || string(got.Value) != "value" {
		t.Fatalf("after the caller changed what it wrote: %q, %v", got.Value, err)
	}
	got.Value[0] = 'Y'
	expect(t, s, "b", map[string]string{"k": "value"})
}

func TestStore_DocumentIsForPeople(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	write(t, s, "Orders/EU", put(record("limits", "max_items: 100 # <= 200"), record("blob", "\xff\x00")))
	doc, err := os.ReadFile(filepath.Join(dir, stem("Orders/EU", false)+current))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"bucket":"Orders/EU"`, `"value":"max_items: 100 # <= 200"`, `"base64":"/wA="`} {
		if !bytes.Contains(doc, []byte(want)) {
			t.Errorf("the document lacks %s:\n%s", want, doc)
		}
	}
	if names := files(t, dir, "orders-eu-"); len(names) != 1 {
		t.Errorf("files named after the bucket: %q", names)
	}
}

func TestStore_HostileNamesAreData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, dir, Options{})
	names := []string{
		"../../escape", "/etc/passwd", "a\x00b", ".", "..", "con", "nul.json", ".lock", "sealed", "Sealed", "a b", "A B", "a-b",
		strings.Repeat("x", longestName), strings.Repeat("é", 200), "\xff\xfe", "🐙", " ", "\n", `"`, "holdfast/3k5j2c7q",
	}
	for i, name := range names {
		write(t, s, name, put(record(name, fmt.Sprint(i))))
	}
	again := open(t, dir, Options{})
	for i, name := range names {
		expect(t, again, name, map[string]string{name: fmt.Sprint(i)})
	}
	if n := len(files(t, dir, current)); n != len(names) {
		t.Errorf("%d documents of %d buckets", n, len(names))
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Errorf("something was written outside the folder: %v", entries)
	}
}

func TestStore_RefusesBadNamesAndSizes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{MaxBucketBytes: 4096})
	write(t, s, "b", put(record("k", "v")))
	long := strings.Repeat("x", longestName+1)
	for name, err := range map[string]error{
		"empty bucket":     s.Write(t.Context(), "", put(record("k", "w"))),
		"long bucket":      s.Write(t.Context(), long, put(record("k", "w"))),
		"empty key":        s.Write(t.Context(), "b", put(record("k", "w"), record("", "w"))),
		"long key":         s.Write(t.Context(), "b", put(record("k", "w"), record(long, "w"))),
		"empty delete":     s.Write(t.Context(), "b", core.Batch{Delete: []string{"k", ""}}),
		"large value":      s.Write(t.Context(), "b", put(record("k", strings.Repeat("x", 5000)))),
		"large document":   s.Write(t.Context(), "b", put(record("k", strings.Repeat("\x01", 1000)))),
		"impossible year":  s.Write(t.Context(), "b", put(core.Record{Key: "k", SavedAt: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)})),
		"reset, too large": s.Write(t.Context(), "b", core.Batch{Reset: true, Put: []core.Record{record("l", strings.Repeat("x", 5000))}}),
	} {
		expectKind(t, name, err, core.ErrInvalid)
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
	_, err := s.Get(t.Context(), "b", "")
	expectKind(t, "Get of no key", err, core.ErrInvalid)
	expect(t, s, "b", map[string]string{"k": "v"})
	expect(t, open(t, dir, Options{}), "b", map[string]string{"k": "v"})
}

func TestStore_HonoursCtx(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	write(t, s, "b", put(record("k", "v"), record("l", "v")))
	cause := errors.New("the caller's own reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	seen := 0
	for _, err := range s.All(ctx, "b") {
		if seen++; seen == 1 {
			cancel(cause)
			continue
		}
		if err != cause { //nolint:errorlint // it must be the plain cause
			t.Errorf("All after cancel: %v", err)
		}
	}
	if seen != 2 {
		t.Errorf("All yielded %d times", seen)
	}
	if _, err := s.Get(ctx, "b", "k"); err != cause { //nolint:errorlint // it must be the plain cause
		t.Errorf("Get: %v", err)
	}
	if err := s.Write(ctx, "b", put(record("k", "w"))); err != cause { //nolint:errorlint // it must be the plain cause
		t.Errorf("Write: %v", err)
	}
	// A call that waits for its turn ends with its ctx.
	s.turn <- struct{}{}
	waiting, stop := context.WithTimeoutCause(t.Context(), time.Millisecond, cause)
	defer stop()
	if err := s.Write(waiting, "b", put(record("k", "w"))); err != cause { //nolint:errorlint // it must be the plain cause
		t.Errorf("Write that waits: %v", err)
	}
	s.give()
	expect(t, s, "b", map[string]string{"k": "v", "l": "v"})
}

func TestStore_LogsNoValue(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	write(t, s, "b", put(record("k", "secret"), record("l", "secret")))
	damage(t, dir, "b", "k")
	var log bytes.Buffer
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := s.Get(t.Context(), "b", "k")
	expectKind(t, "Get", err, core.ErrCorrupt)
	if !strings.Contains(log.String(), "damaged") || strings.Contains(log.String(), "secret") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, log:\n%s", err, log.String())
	}
}
