package file

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

var testKey = bytes.Repeat([]byte{7}, 32)

// document returns a document of bucket "b" with three records.
func document(t testing.TB, generation uint64, value string, key []byte) ([]byte, map[string]core.Record) {
	t.Helper()
	s, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]core.Record{}
	for _, k := range []string{"a", "b/c", "\xff"} {
		r := record(k, value)
		records[k] = r
	}
	doc, _, err := encode(aloneVersion, "b", records, generation, saved, s)
	if err != nil {
		t.Fatal(err)
	}
	return doc, records
}

// mutations yields doc with each bit flipped and cut off at each length.
func mutations(doc []byte, yield func(name string, doc []byte) bool) {
	for at := range doc {
		for bit := range 8 {
			bad := bytes.Clone(doc)
			bad[at] ^= 1 << bit
			if !yield(fmt.Sprintf("bit %d of byte %d flipped", bit, at), bad) {
				return
			}
		}
		if !yield(fmt.Sprintf("cut off at %d", at), doc[:at:at]) {
			return
		}
	}
}

func TestDecode_NeverReturnsWhatIsDamaged(t *testing.T) {
	for _, key := range [][]byte{nil, testKey} {
		doc, want := document(t, 1, "value", key)
		s, err := newSealer(key)
		if err != nil {
			t.Fatal(err)
		}
		saved := 0
		mutations(doc, func(name string, bad []byte) bool {
			got, err := decode("b", bad, s)
			if !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) {
				t.Errorf("%s: decode says %v", name, err)
			}
			if got.lost < 1 {
				t.Errorf("%s: nothing is counted as lost", name)
			}
			subset(t, name, got.records, want)
			saved += len(got.records)
			return !t.Failed()
		})
		if saved == 0 {
			t.Error("no record was ever saved from a damaged document")
		}
	}
}

func subset(t testing.TB, name string, got, of map[string]core.Record) {
	t.Helper()
	for k, r := range got {
		want, ok := of[k]
		if !ok || !bytes.Equal(r.Value, want.Value) || r.Revision != want.Revision || !r.SavedAt.Equal(want.SavedAt) {
			t.Errorf("%s: record %q is wrong: %+v", name, k, r)
		}
	}
}

func TestStore_ServesThePreviousGenerationWhenTheNewestIsDamaged(t *testing.T) {
	for _, key := range [][]byte{nil, testKey} {
		dir := t.TempDir()
		newest, _ := document(t, 2, "new", key)
		before, _ := document(t, 1, "old", key)
		path := filepath.Join(dir, stem("b", key != nil))
		if err := os.WriteFile(path+previous, before, 0o600); err != nil {
			t.Fatal(err)
		}
		mutations(newest, func(name string, bad []byte) bool {
			if !strings.Contains(name, "bit 3") && !strings.HasPrefix(name, "cut") {
				return true // the others are TestDecode's
			}
			if err := os.WriteFile(path+current, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			s := New(dir, Options{Key: key})
			got, err := contents(t.Context(), s, "b")
			expectKind(t, name, err, core.ErrCorrupt)
			if want := map[string]string{"a": "old", "b/c": "old", "\xff": "old"}; !maps.Equal(got, want) {
				t.Errorf("%s: got %q", name, got)
			}
			_, err = s.Get(t.Context(), "b", "unknown")
			expectKind(t, name+": a key that may be lost", err, core.ErrCorrupt)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			return !t.Failed()
		})
		if names := files(t, dir, ".corrupt-"); len(names) > 0 {
			t.Errorf("reading changed the folder: %q", names)
		}
	}
}

func TestStore_WriteHealsAndKeepsTheDamagedAside(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			dir, opts := t.TempDir(), Options{}
			if sealed {
				opts.Key = testKey
			}
			for round := range keptCorrupt + 3 {
				s := New(dir, opts)
				write(t, s, "b", put(record("a", fmt.Sprint(round)), record("b", "kept"), record("c", "kept")))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				damage(t, dir, "b", "a")
				s = New(dir, opts)
				_, err := s.Get(t.Context(), "b", "a")
				expectKind(t, "Get of the damaged record", err, core.ErrCorrupt)
				got, err := contents(t.Context(), s, "b")
				expectKind(t, "All", err, core.ErrCorrupt)
				if want := map[string]string{"b": "kept", "c": "kept"}; !maps.Equal(got, want) {
					t.Errorf("All: got %q, want %q", got, want)
				}
				if !strings.Contains(fmt.Sprint(err), "1 damaged record:") {
					t.Errorf("the error does not count the damaged records: %v", err)
				}
				write(t, s, "b", put(record("d", "new")))
				want := map[string]string{"b": "kept", "c": "kept", "d": "new"}
				expect(t, s, "b", want)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = New(dir, opts)
				expect(t, s, "b", want)
				write(t, s, "b", core.Batch{Delete: []string{"d"}})
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(files(t, dir, ".corrupt-")); n != keptCorrupt {
				t.Errorf("%d damaged documents are kept, want %d", n, keptCorrupt)
			}
		})
	}
}

func TestStore_ServesThePreviousGenerationBetweenTheRenames(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, Options{})
	write(t, s, "b", put(record("k", "v")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, stem("b", false))
	if err := os.Rename(path+current, path+previous); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	expect(t, s, "b", map[string]string{"k": "v"})
	write(t, s, "b", put(record("l", "w")))
	expect(t, s, "b", map[string]string{"k": "v", "l": "w"})
}

func TestStore_WhatIsNoDocumentIsDamage(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"zeros":     func(p string) error { return os.WriteFile(p, make([]byte, 4096), 0o600) },
		"foreign":   func(p string) error { return os.WriteFile(p, []byte("{}\n"), 0o600) },
		"too large": func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("x"), 9000), 0o600) },
		"directory": func(p string) error { return os.MkdirAll(filepath.Join(p, "full"), 0o700) },
		"link":      func(p string) error { return os.Symlink(filepath.Join("..", "outside"), p) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, stem("b", false)+current)); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, Options{MaxBucketBytes: 8192})
			_, err := s.Get(t.Context(), "b", "k")
			expectKind(t, "Get", err, core.ErrCorrupt)
			write(t, s, "b", put(record("k", "v")))
			expect(t, s, "b", map[string]string{"k": "v"})
			expect(t, open(t, dir, Options{}), "b", map[string]string{"k": "v"})
			if len(files(t, dir, ".corrupt-")) != 1 {
				t.Errorf("it was not put aside: %q", files(t, dir, ""))
			}
		})
	}
}

func TestStore_NewerVersionIsNeverDestroyed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, stem("b", false))
	newest := []byte(`{"holdfast":{"version":3,"bucket":{"as":"an object"},"count":"many"},` + "\nwhatever\n")
	before := []byte(`{"holdfast":{"version":4},` + "\n")
	for end, doc := range map[string][]byte{current: newest, previous: before} {
		if err := os.WriteFile(path+end, doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, Options{})
	_, err := s.Get(t.Context(), "b", "k")
	expectKind(t, "Get", err, core.ErrCorrupt)
	if !strings.Contains(err.Error(), "newer version") {
		t.Errorf("the error does not say why: %v", err)
	}
	for i := range keptCorrupt + 2 {
		write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", fmt.Sprint(i))}})
	}
	var kept []string
	for _, name := range files(t, dir, ".newer-") {
		doc, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, string(doc))
	}
	if want := []string{string(newest), string(before)}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	// One that is too large to be read is no less valuable.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	large := append(bytes.Clone(newest), make([]byte, 9000)...)
	if err := os.WriteFile(path+current, large, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{MaxBucketBytes: 8192})
	write(t, s, "b", put(record("k", "v")))
	if n := len(files(t, dir, ".newer-")); n != 3 {
		t.Errorf("%d documents of a newer version are kept, want 3", n)
	}
	// A newer generation before an own one is kept too.
	if err := os.WriteFile(path+previous, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, open(t, dir, Options{}), "b", put(record("k", "v")))
	if n := len(files(t, dir, ".newer-")); n != 4 {
		t.Errorf("%d documents of a newer version are kept, want 4", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, key := range [][]byte{nil, testKey} {
		doc, _ := document(f, 1, "value", key)
		f.Add(doc, key != nil)
		f.Add(doc[:len(doc)/2], key != nil)
		f.Add(bytes.ReplaceAll(doc, []byte("1"), []byte("2")), key != nil)
	}
	f.Add([]byte(`{"holdfast":{"version":1,"count":-1},`), false)
	f.Add([]byte(`{"holdfast":{"version":1,"count":9223372036854775807,"cipher":"AES-GCM"},`), true)
	f.Fuzz(func(t *testing.T, doc []byte, sealed bool) {
		var s *sealer
		if sealed {
			var err error
			if s, err = newSealer(testKey); err != nil {
				t.Fatal(err)
			}
		}
		got, err := decode("b", doc, s)
		if err == nil && got.lost > 0 || errors.Is(err, errDamaged) && got.lost < 1 {
			t.Errorf("error %v with %d lost", err, got.lost)
		}
		for _, r := range got.records {
			if c := (&codec{bucket: "b"}); encodable(r) {
				var line bytes.Buffer
				if err := c.encode(&line, r); err != nil {
					t.Error(err)
				}
				if back, err := c.decode(line.Bytes()); err != nil || !bytes.Equal(back.Value, r.Value) {
					t.Errorf("record does not survive: %v", err)
				}
			}
		}
	})
}

func encodable(r core.Record) bool { return checkRecord(r) == nil }

func FuzzStore(f *testing.F) {
	f.Add("bucket", "key", []byte("value"), "7")
	f.Add("../../etc/passwd", "\x00", []byte("\xff"), "\xfe")
	f.Add(strings.Repeat("n", 300), "\n", []byte{}, "")
	f.Fuzz(func(t *testing.T, bucket, key string, value []byte, revision string) {
		r := core.Record{Key: key, Value: value, Revision: core.Revision(revision), SavedAt: saved}
		valid := checkName("bucket", bucket) == nil && encodable(r)
		dir := t.TempDir()
		s := open(t, dir, Options{})
		err := s.Write(t.Context(), bucket, put(r))
		if !valid {
			expectKind(t, "Write of what is invalid", err, core.ErrInvalid)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := open(t, dir, Options{}).Get(t.Context(), bucket, key)
		if err != nil || got.Key != key || !bytes.Equal(got.Value, value) || got.Revision != r.Revision || !got.SavedAt.Equal(saved) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
