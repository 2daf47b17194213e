package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/badger"
	"github.com/holdfast-go/holdfast/core"
)

// filledBadger returns a folder with two buckets, and the store that wrote it.
func filledBadger(t *testing.T, key []byte) (dir string, s *badger.Store) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cache")
	s = badger.New(dir, badger.Options{Key: key})
	t.Cleanup(func() { _ = s.Close() })
	for bucket, records := range map[string][]core.Record{
		"profiles": {
			{Key: "ann", Value: []byte("hunter2"), Revision: "41", SavedAt: time.Now().Add(-time.Hour)},
			{Key: "\x1b[31mbob", Value: []byte("\xff\x00"), Revision: "42", SavedAt: time.Now().Add(-90 * time.Second)},
		},
		"other": {{Key: "k", Value: []byte("line 1\nline 2\n"), SavedAt: time.Now().Add(time.Hour)}},
	} {
		if err := s.Write(t.Context(), bucket, core.Batch{Put: records}); err != nil {
			t.Fatal(err)
		}
	}
	return dir, s
}

// unchanged runs the program and expects that no file changes.
func unchanged(t *testing.T, dir string, code int, args ...string) string {
	t.Helper()
	before := texts(t, dir)
	text := call(t, code, args...)
	after := texts(t, dir)
	if len(before) != len(after) {
		t.Errorf("%q: there were %d files, and are %d", args, len(before), len(after))
	}
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%q changed %s", args, name)
		}
	}
	return text
}

func TestBadger_IsShownWithoutBeingChanged(t *testing.T) {
	for _, beside := range []bool{true, false} {
		dir, s := filledBadger(t, nil)
		if !beside {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		list := unchanged(t, dir, 0, "cache", "ls", dir)
		contains(t, list, "BUCKET", "profiles", "42", "1m3", "other", "in the future", "ok")
		shown := unchanged(t, dir, 0, "cache", "show", dir)
		contains(t, shown, "bucket profiles, 2 records", "ann", "1h00m", `"\x1b[31mbob"`, "bucket other, 1 record\n")
		verified := unchanged(t, dir, 0, "cache", "verify", dir)
		contains(t, verified, "ok       profiles: 2 records, checksum ", "2 buckets, all whole")
		for _, text := range []string{list, shown, verified} {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "line 1") || strings.Contains(text, "\x1b") {
				t.Errorf("it shows what it should not:\n%s", text)
			}
		}
		contains(t, unchanged(t, dir, 0, "cache", "show", dir, "-values", "profiles"), "      hunter2\n", "      (base64) /wA=\n")
		contains(t, unchanged(t, dir, 1, "cache", "show", dir, "unknown"), "no bucket unknown")
	}
}

func TestBadger_DamageEndsWithOne(t *testing.T) {
	pristine, s := filledBadger(t, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip := func(what string) func([]byte) []byte {
		return func(b []byte) []byte {
			b[bytes.Index(b, []byte(what))] ^= 1
			return b
		}
	}
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	for _, row := range []struct {
		what, file string
		spoil      func([]byte) []byte
		says       []string
	}{
		{"a value", "db/*.sst", flip("hunter2"), []string{"DAMAGED  profiles: 1 record can be served", ".sst: a table is damaged", "1 of 2 buckets not whole"}},
		{"half a table", "db/*.sst", cut, []string{"DAMAGED", ".sst: a table is damaged", "2 of 2 buckets not whole"}},
		{"an older manifest", "db/MANIFEST", func(b []byte) []byte { return b[:8] }, []string{"DAMAGED  the store: 2 acknowledged writes are missing"}},
		{"the start of the manifest", "db/MANIFEST", flip("Bdgr"), []string{"DAMAGED  the store: the manifest is damaged"}},
		{"the registry of keys", "db/KEYREGISTRY", cut, []string{"DAMAGED  the store: the key registry is damaged"}},
		{"the witness", "witness", func([]byte) []byte { return nil }, []string{"DAMAGED  the store: the file witness", "2 buckets, all whole, in a store that is not"}},
		{"a marker", "opening", func([]byte) []byte { return []byte("salvage 2\n") }, []string{"ended a process twice"}},
	} {
		t.Run(row.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
				t.Fatal(err)
			}
			names, err := filepath.Glob(filepath.Join(dir, row.file))
			if err != nil {
				t.Fatal(err)
			}
			if len(names) == 0 {
				names = []string{filepath.Join(dir, row.file)}
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, row.spoil(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := unchanged(t, dir, 1, "cache", "verify", dir)
			if strings.Contains(text, "hunter") {
				t.Errorf("it shows a value:\n%s", text)
			}
			contains(t, text, row.says...)
			contains(t, unchanged(t, dir, 1, "cache", "ls", dir), "DAMAGED")
			contains(t, unchanged(t, dir, 1, "cache", "show", dir), "DAMAGED")
		})
	}
}

func TestBadger_EncryptedWantsTheKey(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	dir, s := filledBadger(t, key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, unchanged(t, dir, 0, "cache", "ls", "-key-file", path, dir), "profiles", "encrypted")
	contains(t, unchanged(t, dir, 0, "cache", "show", "-key-file", path, "-values", dir, "profiles"), "hunter2")
	contains(t, unchanged(t, dir, 1, "cache", "ls", dir), "(db)", "NO KEY")
	contains(t, unchanged(t, dir, 1, "cache", "verify", dir), "NO KEY", "1 of 1 bucket not whole")
}

func TestBadger_ItsOwnFolderIsPointedOut(t *testing.T) {
	dir, s := filledBadger(t, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	contains(t, unchanged(t, dir, 1, "cache", "verify", filepath.Join(dir, "db")), "give the one above it")
}

func TestBadger_IsSeeded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	text := callWith(t, 0, "limits/max_items: 100\n", "cache", "seed", "-store", "badger", "-origin", "etcd /config/orders/", dir, "-")
	contains(t, text, "1 key written to bucket holdfast/")
	contains(t, unchanged(t, dir, 0, "cache", "verify", dir), "1 bucket, all whole")
	// From now on the folder says which kind it is.
	contains(t, callWith(t, 1, "limits/max_items: 200\n", "cache", "seed", "-origin", "etcd /config/orders/", dir, "-"), "is there already")
	callWith(t, 0, "a: b\n", "cache", "seed", "-bucket", "own", dir, "-")
	contains(t, unchanged(t, dir, 0, "cache", "ls", dir), "own", "holdfast/")
	if found, err := filepath.Glob(filepath.Join(dir, "*.json")); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestBadger_SeedingWhatAServiceHoldsSaysSo(t *testing.T) {
	dir, s := filledBadger(t, nil)
	contains(t, callWith(t, 1, "a: b\n", "cache", "seed", "-bucket", "own", dir, "-"), "another process or store holds the folder")
	if _, err := s.Get(t.Context(), "profiles", "ann"); err != nil {
		t.Error(err)
	}
}
