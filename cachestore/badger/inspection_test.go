package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// files returns what is in each file below dir, and when it was changed last.
func files(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[name] = fmt.Sprint(info.Mode(), info.ModTime())
		if !d.IsDir() {
			b, err := os.ReadFile(filepath.Join(dir, name))
			all[name] += string(b)
			return err
		}
		return nil
	})
	return all, err
}

// inspected reads a bucket of an inspection.
func inspected(ctx context.Context, i *Inspection, bucket string) (map[string]string, error) {
	got := map[string]string{}
	for r, err := range i.All(ctx, bucket) {
		if err != nil {
			return got, err
		}
		got[r.Key] = string(r.Value)
	}
	return got, nil
}

// inspectRotten inspects a damaged store: nothing wrong is shown, what is missing
// is told, and no file is changed. It reports whether any damage was told.
func inspectRotten(ctx context.Context, dir string, opts Options, want map[string]map[string]string) (told bool, err error) {
	before, err := files(dir)
	if err != nil {
		return false, err
	}
	i, err := Inspect(ctx, dir, opts)
	if err != nil {
		return false, err
	}
	told = i.Damage() != nil
	for _, b := range i.Buckets() {
		told = told || b.Err != nil
	}
	for bucket, records := range want {
		got, err := inspected(ctx, i, bucket)
		for key, value := range got {
			if records[key] != value {
				return false, fmt.Errorf("%s/%s is shown with a wrong value: %.80q", bucket, key, value)
			}
		}
		switch {
		case err != nil && !errors.Is(err, core.ErrCorrupt):
			return false, err
		case len(got) != len(records) && !told:
			return false, fmt.Errorf("%s: %d of %d records are shown, and no damage is told", bucket, len(got), len(records))
		}
	}
	after, err := files(dir)
	if err != nil {
		return false, err
	}
	if len(after) != len(before) {
		return false, fmt.Errorf("there were %d files, and are %d", len(before), len(after))
	}
	for name, text := range before {
		if after[name] != text {
			return false, fmt.Errorf("%s was changed", name)
		}
	}
	return told, nil
}

func TestInspect_ShowsWhatTheStoreWouldServe(t *testing.T) {
	for _, what := range []string{"closed", "killed", "encrypted-closed", "encrypted-killed"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, opts := t.TempDir(), rotOptions(what)
			finish(t, "rotten "+what, dir)
			if err := copyFolder(filepath.Join(dir, "pristine"), filepath.Join(dir, "want")); err != nil {
				t.Fatal(err)
			}
			want, err := rotWant(t.Context(), filepath.Join(dir, "want"), opts)
			if err != nil {
				t.Fatal(err)
			}
			store := filepath.Join(dir, "pristine")
			if told, err := inspectRotten(t.Context(), store, opts, want); told || err != nil {
				t.Fatalf("told %v, %v", told, err)
			}
			i, err := Inspect(t.Context(), store, opts)
			if err != nil {
				t.Fatal(err)
			}
			all := i.Buckets()
			if len(all) != len(want) {
				t.Errorf("%d buckets, want %d", len(all), len(want))
			}
			for _, b := range all {
				if b.Records != len(want[b.Name]) || b.Bytes == 0 || b.Seq == 0 || b.Saved.IsZero() || len(b.Sum) != 16 || b.Encrypted != (opts.Key != nil) {
					t.Errorf("%+v", b)
				}
			}
			if opts.Key == nil {
				return
			}
			for _, key := range [][]byte{nil, []byte(strings.Repeat("x", 16))} {
				i, err := Inspect(t.Context(), store, Options{Key: key})
				if err != nil {
					t.Fatal(err)
				}
				if all := i.Buckets(); len(all) != 1 || !errors.Is(all[0].Err, core.ErrDenied) {
					t.Errorf("with another key: %+v", all)
				}
			}
		})
	}
}

// TestInspect_BesideAProcessThatWrites reads a store while it is written: what is
// shown is one moment of it, and nothing is taken for damage.
func TestInspect_BesideAProcessThatWrites(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	write(t, s, "b", put(record("number", "0")))
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	writer.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			if err := s.Write(ctx, "b", step(n)); err != nil && ctx.Err() == nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
	})
	last, busy := 0, 0
	const wanted = 20
	for read := 0; read < wanted; {
		i, err := Inspect(t.Context(), dir, Options{})
		if errors.Is(err, core.ErrUnavailable) && strings.Contains(err.Error(), "all the time") {
			if busy++; busy > 50*wanted {
				t.Fatal("no moment of it can be read")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		read++
		got, err := inspected(t.Context(), i, "b")
		if trouble := i.trouble(); err != nil || trouble != "" {
			t.Fatalf("%q, %v", trouble, err)
		}
		n, _ := strconv.Atoi(got["number"])
		if n < last {
			t.Errorf("%d is shown after %d", n, last)
		}
		if n > 0 {
			if err := checkStep(got, n); err != nil {
				t.Error(err)
			}
		}
		last = n
	}
	t.Logf("read %d times up to write %d, and was told %d times that too much is written", wanted, last, busy)
}

func TestInspect_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := Inspect(t.Context(), filepath.Join(dir, "missing"), Options{})
	expectKind(t, "a missing folder", err, core.ErrNotFound)
	_, err = Inspect(t.Context(), dir, Options{Key: []byte("short")})
	expectKind(t, "a short key", err, core.ErrInvalid)
	i, err := Inspect(t.Context(), dir, Options{})
	if err != nil || len(i.Buckets()) > 0 || i.Damage() != nil {
		t.Errorf("an empty folder: %+v, %v", i, err)
	}
	s := open(t, dir, Options{})
	write(t, s, "b", put(record("k", "v")))
	shut(t, s)
	_, err = Inspect(t.Context(), filepath.Join(dir, dataName), Options{})
	expectKind(t, "Badger's folder", err, core.ErrInvalid)
	for _, row := range []struct{ what, name, text, says string }{
		{"a start died", markerName, string(stageOpen), ""},
		{"reading ended the process twice", markerName, string(stageAgain), "puts it aside"},
		{"no witness", witnessName, "", "witness"},
		{"the manifest is damaged", dataName + "/MANIFEST", "x", "manifest"},
	} {
		t.Run(row.what, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "store")
			if err := copyFolder(dir, other); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(other, row.name), []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			i, err := Inspect(t.Context(), other, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if row.says == "" && (i.Damage() != nil || len(i.Notes()) != 1) {
				t.Errorf("%v, %v", i.Damage(), i.Notes())
			}
			if row.says != "" && !strings.Contains(fmt.Sprint(i.Damage()), row.says) {
				t.Errorf("it says %v", i.Damage())
			}
		})
	}
	if err := os.RemoveAll(filepath.Join(dir, dataName)); err != nil {
		t.Fatal(err)
	}
	if i, err = Inspect(t.Context(), dir, Options{}); err != nil || !strings.Contains(fmt.Sprint(i.Damage()), "missing or empty") {
		t.Errorf("without Badger's folder: %v, %v", i.Damage(), err)
	}
	_, err = inspected(t.Context(), i, "b")
	expectKind(t, "All of it", err, core.ErrCorrupt)
}
