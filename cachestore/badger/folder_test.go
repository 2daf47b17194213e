package badger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestStore_TouchesNothingBeforeItIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	s := New(dir, Options{})
	_ = s.Stats()
	shut(t, s)
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}

func TestStore_FolderIsTheOwnersOnly(t *testing.T) {
	if !modesMatter {
		t.Skip("permission bits protect nothing on this system")
	}
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	write(t, open(t, dir, Options{}), "b", put(record("k", "v")))
	for _, path := range []string{dir, filepath.Join(dir, dataName)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
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
	if st := s.Stats(); st.Open || st.LastError == nil {
		t.Errorf("stats: %+v", st)
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	write(t, s, "b", put(record("k", "v")))
	expect(t, s, "b", map[string]string{"k": "v"})
	if st := s.Stats(); !st.Open || st.Buckets != 1 || st.Records != 1 || st.DiskBytes == 0 || st.FreeBytes <= 0 || st.LastWrite.IsZero() {
		t.Errorf("stats: %+v", st)
	}
}

func TestStore_ArgumentsThatCantWorkAreInvalid(t *testing.T) {
	for name, s := range map[string]*Store{
		"no folder": New("", Options{}),
		"key":       New(t.TempDir(), Options{Key: []byte("short")}),
		"old key":   New(t.TempDir(), Options{OldKeys: [][]byte{[]byte("short")}}),
		"limit":     New(t.TempDir(), Options{MaxValueBytes: -1}),
	} {
		_, err := s.Get(t.Context(), "b", "k")
		expectKind(t, name, err, core.ErrInvalid)
		shut(t, s)
	}
}

func TestStore_OversizedIsInvalidAndNotShown(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxValueBytes: 1000})
	for _, r := range []core.Record{
		record("k", strings.Repeat("secret", 200)),
		{Key: "k", Revision: core.Revision(strings.Repeat("r", longestRevision+1))},
	} {
		err := s.Write(t.Context(), "b", put(record("l", "v"), r))
		expectKind(t, "Write", err, core.ErrInvalid)
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("the error holds the value: %v", err)
		}
	}
	expect(t, s, "b", nil)
}

// playHolder writes each line that it reads.
func playHolder(ctx context.Context, _ string) error {
	s := New("store", Options{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := s.Write(ctx, "b", put(record("k", lines.Text()))); err != nil {
			return err
		}
		if err := say("done"); err != nil {
			return err
		}
	}
	return lines.Err()
}

func TestStore_TakesOverWhenTheOtherProcessIsGone(t *testing.T) {
	dir := t.TempDir()
	cmd, in, out := child(t, "holder", dir)
	if _, err := fmt.Fprintln(in, "theirs"); err != nil || !out.Scan() {
		t.Fatal("the other process is gone", err)
	}
	s := open(t, filepath.Join(dir, "store"), Options{})
	for range 2 {
		_, err := s.Get(t.Context(), "b", "k")
		expectKind(t, "Get", err, core.ErrUnavailable)
		err = s.Write(t.Context(), "b", put(record("k", "mine")))
		expectKind(t, "Write", err, core.ErrUnavailable)
		if !strings.Contains(fmt.Sprint(err), "own folder") {
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process ended by itself")
	}
	expect(t, s, "b", map[string]string{"k": "theirs"})
	write(t, s, "b", put(record("l", "mine")))
	expect(t, s, "b", map[string]string{"k": "theirs", "l": "mine"})
}

func TestStore_PutsAFolderAsideThatEndedTheProcessTwice(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	opts := Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := New(dir, opts)
	write(t, s, "b", put(record("k", "secret value")))
	shut(t, s)
	for _, row := range []struct {
		stage stage
		kept  bool
	}{{stageOpen, true}, {stageSalvage, true}, {stageAgain, false}} {
		if err := os.WriteFile(filepath.Join(dir, markerName), []byte(row.stage), 0o600); err != nil {
			t.Fatal(err)
		}
		s := New(dir, opts)
		r, err := s.Get(t.Context(), "b", "k")
		if row.kept && (err != nil || string(r.Value) != "secret value") {
			t.Errorf("%q: %v", row.stage, err)
		}
		if !row.kept {
			expectKind(t, "Get", err, core.ErrCorrupt)
			_, err := contents(t.Context(), s, "b")
			expectKind(t, "All", err, core.ErrCorrupt)
			if st := s.Stats(); len(st.PutAside) != 1 || st.Damage == "" {
				t.Errorf("stats: %+v", st)
			}
			if !strings.Contains(log.String(), "starts without it") {
				t.Errorf("it is not said: %s", log.String())
			}
			write(t, s, "b", put(record("l", "new")))
			expect(t, s, "b", map[string]string{"l": "new"})
		}
		shut(t, s)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log holds a value: %s", log.String())
	}
	s = open(t, dir, opts)
	expect(t, s, "b", map[string]string{"l": "new"})
}

func TestStore_ChangesItsKey(t *testing.T) {
	dir := t.TempDir()
	other := bytes.Repeat([]byte("k"), 16)
	want := map[string]string{"k": "hidden words", "l": strings.Repeat("hidden words", 10_000)}
	for i, row := range []struct {
		opts Options
		kind error
	}{
		{Options{}, nil},
		{Options{Key: testKey}, nil}, // what was plain is encrypted
		{Options{}, core.ErrDenied},
		{Options{Key: other}, core.ErrDenied},
		{Options{Key: testKey}, nil},
		{Options{Key: other, OldKeys: [][]byte{testKey}}, nil},
		{Options{Key: testKey}, core.ErrDenied},
		{Options{Key: other}, nil},
		{Options{OldKeys: [][]byte{other}}, nil},
		{Options{}, nil},
	} {
		s := New(dir, row.opts)
		if i == 0 {
			write(t, s, "b", put(record("k", want["k"]), record("l", want["l"])))
		}
		got, err := contents(t.Context(), s, "b")
		if !errors.Is(err, row.kind) || (row.kind == nil && (len(got) != 2 || got["k"] != want["k"] || got["l"] != want["l"])) {
			t.Fatalf("row %d: %d records, %v", i, len(got), err)
		}
		if row.kind != nil {
			expectKind(t, "Write", s.Write(t.Context(), "b", put(record("k", "v"))), row.kind)
		}
		shut(t, s)
		if plain := spoil(t, dir, "hidden words") > 0; plain && len(row.opts.Key) > 0 {
			t.Errorf("row %d: there is plain text", i)
		} else if plain {
			spoilBack(t, dir)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "db.*")); len(names) > 0 {
		t.Errorf("left are %q", names)
	}
}

// spoilBack undoes spoil of "hidden words".
func spoilBack(t testing.TB, dir string) {
	t.Helper()
	spoil(t, dir, "iidden words")
}

// badgerFiles returns what is in the files of Badger's folder and in the witness,
// without zeros at the end.
func badgerFiles(t testing.TB, dir string) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, dataName, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, filepath.Join(dir, witnessName)) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.TrimRight(b, "\x00"))
	}
	return all
}
