package file

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestStore_FolderAndDocumentsAreTheOwnersOnly(t *testing.T) {
	if !modesMatter {
		t.Skip("permission bits protect nothing on this system")
	}
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	s := open(t, dir, Options{})
	write(t, s, "b", put(record("k", "v")))
	write(t, s, "b", put(record("k", "w")))
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	for _, name := range files(t, dir, "") {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestStore_TightensAFolderOfItsOwnOnly(t *testing.T) {
	if !modesMatter {
		t.Skip("permission bits protect nothing on this system")
	}
	for _, row := range []struct {
		name         string
		foreign      bool
		before, want os.FileMode
	}{
		{"empty", false, 0o755, 0o700},
		{"with files of others", true, 0o755, 0o755},
		{"shared by group", false, 0o770 | os.ModeSetgid, 0o770 | os.ModeSetgid},
		{"for temp files of all", false, 0o777 | os.ModeSticky, 0o777 | os.ModeSticky},
		{"tight", false, 0o700, 0o700},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if row.foreign {
				if err := os.WriteFile(filepath.Join(dir, "foreign"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, row.before); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			write(t, s, "b", put(record("k", "v")))
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode() &^ os.ModeDir; got != row.want {
				t.Errorf("mode %v, want %v", got, row.want)
			}
			if warned, open := strings.Contains(log.String(), "open to other users"), row.want&0o077 != 0; warned != open {
				t.Errorf("warned: %v, want %v:\n%s", warned, open, log.String())
			}
		})
	}
}

func TestStore_CanBeTriedAgainWhenItCouldNotBeOpened(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "parent")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(parent, "cache"), Options{})
	for range 2 {
		_, err := s.Get(t.Context(), "b", "k")
		expectKind(t, "Get", err, core.ErrUnavailable)
		_, err = contents(t.Context(), s, "b")
		expectKind(t, "All", err, core.ErrUnavailable)
		expectKind(t, "Write", s.Write(t.Context(), "b", put(record("k", "v"))), core.ErrUnavailable)
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	write(t, s, "b", put(record("k", "v")))
	expect(t, s, "b", map[string]string{"k": "v"})
}

func TestStore_OutlivesItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for name, remove := range map[string]func() error{
		"folder deleted": func() error { return os.RemoveAll(dir) },
		"folder moved":   func() error { return os.Rename(dir, dir+".away") },
		"lock deleted":   func() error { return os.Remove(filepath.Join(dir, lockName)) },
	} {
		s := open(t, dir, Options{})
		write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", name)}})
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, "b", map[string]string{"k": name})
		write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("l", name)}})
		second := open(t, dir, Options{})
		expect(t, second, "b", map[string]string{"l": name})
		expectKind(t, name+": second writer", second.Write(t.Context(), "b", put(record("k", "v"))), core.ErrUnavailable)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStore_OnlyOneWrites(t *testing.T) {
	dir := t.TempDir()
	first := New(dir, Options{})
	second := open(t, dir, Options{})
	write(t, first, "b", put(record("k", "1")))
	expect(t, second, "b", map[string]string{"k": "1"})
	err := second.Write(t.Context(), "b", put(record("k", "2")))
	expectKind(t, "Write of the second", err, core.ErrUnavailable)
	if !strings.Contains(fmt.Sprint(err), "own folder") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	write(t, first, "b", put(record("l", "3")))
	expect(t, second, "b", map[string]string{"k": "1", "l": "3"})
	write(t, first, "b", core.Batch{Reset: true})
	expect(t, second, "b", map[string]string{})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, second, "b", put(record("k", "4")))
	expect(t, second, "b", map[string]string{"k": "4"})
}

func TestStore_RemovesTheTempFilesOfDeadWritersOnly(t *testing.T) {
	dir := t.TempDir()
	stale := stem("b", false) + ".tmp-0123456789abcdef"
	for _, name := range []string{stale, "mine.tmp", "notes.tmp-1", "x.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, open(t, dir, Options{}), "b", put(record("k", "v")))
	if got := files(t, dir, ".tmp"); len(got) != 2 {
		t.Errorf("left are %q", got)
	}
}

func TestStore_CloseEndsEverything(t *testing.T) {
	s := New(t.TempDir(), Options{})
	write(t, s, "b", put(record("k", "v"), record("l", "v")))
	for _, err := range s.All(t.Context(), "b") {
		if err != nil {
			t.Errorf("All across Close: %v", err) // it goes on with what it began
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
	_, err := s.Get(t.Context(), "b", "k")
	expectKind(t, "Get", err, core.ErrClosed)
	_, err = contents(t.Context(), s, "b")
	expectKind(t, "All", err, core.ErrClosed)
	expectKind(t, "Write", s.Write(t.Context(), "b", put(record("k", "v"))), core.ErrClosed)
}

func TestStore_ConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	const workers, rounds = 4, 10
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			bucket := fmt.Sprint("b", w%2)
			for i := range rounds {
				value := fmt.Sprint(i)
				a, b := fmt.Sprint("a", w), fmt.Sprint("b", w)
				if err := s.Write(t.Context(), bucket, put(record(a, value), record(b, value))); err != nil {
					t.Errorf("Write: %v", err)
				}
				got, err := contents(t.Context(), s, bucket)
				if err != nil || got[a] != value || got[b] != value {
					t.Errorf("All: %q, %v", got, err)
				}
				if _, err := s.Get(t.Context(), bucket, a); err != nil {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
