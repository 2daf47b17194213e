package file

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func inspect(t testing.TB, dir string, opts Options) *Inspection {
	t.Helper()
	i, err := Inspect(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := i.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return i
}

func buckets(t testing.TB, i *Inspection) map[string]Bucket {
	t.Helper()
	all, err := i.Buckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Bucket{}
	for _, b := range all {
		by[b.Name] = b
	}
	if len(by) != len(all) {
		t.Errorf("%d buckets with %d names", len(all), len(by))
	}
	return by
}

func TestInspect_ChangesNothingBesideARunningWriter(t *testing.T) {
	dir := t.TempDir()
	s := journaling(dir, Options{})
	t.Cleanup(func() { _ = s.Close() })
	write(t, s, "Orders/EU", put(record("a", "1"), record("b", "1")))
	i := inspect(t, dir, Options{})
	before := snapshot(t, dir)
	first := buckets(t, i)["Orders/EU"]
	write(t, s, "Orders/EU", put(record("a", "2")))
	second := buckets(t, i)["Orders/EU"]
	if first.Err != nil || first.Records != 2 || first.Generation != 1 || first.Batches != 0 || first.Encrypted || time.Since(first.Saved) > time.Hour {
		t.Errorf("first: %+v", first)
	}
	if second.Err != nil || second.Batches != 1 || second.Sum == first.Sum || second.Bytes <= first.Bytes || second.Saved.Before(first.Saved) {
		t.Errorf("second: %+v", second)
	}
	var got []string
	for r, err := range i.All(t.Context(), "Orders/EU") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Key+"="+string(r.Value))
	}
	if want := []string{"a=2", "b=1"}; !slices.Equal(got, want) {
		t.Errorf("All: %q, want %q", got, want)
	}
	after := snapshot(t, dir)
	maps.DeleteFunc(after, func(name, _ string) bool { return strings.HasSuffix(name, journalEnd) })
	if !maps.Equal(before, after) {
		t.Errorf("the folder was changed: %q", files(t, dir, ""))
	}
	// The writer writes on.
	write(t, s, "Orders/EU", put(record("a", "3")))
}

func TestInspect_NeedsNoRightToWrite(t *testing.T) {
	if !modesMatter {
		t.Skip("permission bits protect nothing on this system")
	}
	dir := t.TempDir()
	s := New(dir, Options{})
	write(t, s, "b", put(record("k", "v")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if b := buckets(t, inspect(t, dir, Options{}))["b"]; b.Err != nil || b.Records != 1 {
		t.Errorf("%+v", b)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o500 || len(files(t, dir, lockName)) > 0 {
		t.Errorf("the folder was changed: %v, %q, %v", info.Mode(), files(t, dir, ""), err)
	}
}

func TestInspect_TellsDamage(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, Options{})
	write(t, s, "whole", put(record("k", "v")))
	write(t, s, "damaged", put(record("k", "secret"), record("l", "v")))
	write(t, s, "headless", put(record("k", "v")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, "damaged", "k")
	if err := os.Truncate(filepath.Join(dir, stem("headless", false)+current), 30); err != nil {
		t.Fatal(err)
	}
	got := buckets(t, inspect(t, dir, Options{}))
	if b := got["whole"]; b.Err != nil {
		t.Errorf("whole: %v", b.Err)
	}
	damaged := got["damaged"]
	expectKind(t, "damaged", damaged.Err, core.ErrCorrupt)
	expectKind(t, "without a header", got[""].Err, core.ErrCorrupt)
	if damaged.Records != 1 || strings.Contains(damaged.Err.Error(), "secret") || got[""].Bytes != 30 {
		t.Errorf("%+v", got)
	}
	s = open(t, dir, Options{})
	write(t, s, "damaged", put(record("k", "v")))
	i := inspect(t, dir, Options{})
	if aside := i.Aside(); len(aside) != 1 || buckets(t, i)["damaged"].Err != nil {
		t.Errorf("after the next Write: aside %q, %v", aside, buckets(t, i)["damaged"].Err)
	}
}

func TestInspect_EncryptedNeedsTheKey(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, Options{Key: testKey})
	write(t, s, "b", put(record("k", "v")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	plain := New(dir, Options{})
	write(t, plain, "open", put(record("k", "v")))
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]Options{
		"the key":    {Key: testKey},
		"an old key": {Key: bytes.Repeat([]byte{8}, 32), OldKeys: [][]byte{testKey}},
	} {
		got := buckets(t, inspect(t, dir, opts))
		if b := got["b"]; b.Err != nil || !b.Encrypted || b.Records != 1 || got["open"].Err != nil || got["open"].Encrypted {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, opts := range map[string]Options{"no key": {}, "another key": {Key: bytes.Repeat([]byte{8}, 32)}} {
		got := buckets(t, inspect(t, dir, opts))
		expectKind(t, name, got[""].Err, core.ErrDenied)
		if !got[""].Encrypted || got["open"].Err != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestInspect_SaysWhatCannotBeInspected(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, err := Inspect(missing, Options{})
	expectKind(t, "no folder", err, core.ErrNotFound)
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Error("it was made")
	}
	_, err = Inspect("", Options{})
	expectKind(t, "no name", err, core.ErrInvalid)
	if got := buckets(t, inspect(t, t.TempDir(), Options{})); len(got) > 0 {
		t.Errorf("an empty folder has %v", got)
	}
}
