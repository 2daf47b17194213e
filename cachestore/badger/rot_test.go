package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

const rotSeed = 20261121

// rotBatches is what the stores of the rot test hold: two buckets with a history,
// so that older states of them lie in the files, and one of large values.
func rotBatches() []func(s *Store, ctx context.Context) error {
	var all []func(*Store, context.Context) error
	write := func(bucket string, b core.Batch) {
		all = append(all, func(s *Store, ctx context.Context) error { return s.Write(ctx, bucket, b) })
	}
	for round := range 4 {
		for bucket := range 2 {
			b := core.Batch{Reset: round == 2 && bucket == 1}
			for i := range 60 {
				if i%4 >= round {
					b.Put = append(b.Put, record(fmt.Sprint("key-", i), fmt.Sprintf("value of %d in bucket %d, round %d", i, bucket, round)))
				}
			}
			b.Delete = []string{fmt.Sprint("key-", 4*round)}
			write(fmt.Sprint("bucket ", bucket), b)
		}
		if round == 1 {
			write("large", put(record("l", strings.Repeat("large ", 15_000)), record("m", "small")))
		}
	}
	return all
}

// rotWant is what must be there, by bucket and key.
func rotWant(ctx context.Context, dir string, opts Options) (map[string]map[string]string, error) {
	want := map[string]map[string]string{}
	s := New(dir, opts)
	for _, bucket := range []string{"bucket 0", "bucket 1", "large"} {
		got, err := contents(ctx, s, bucket)
		if err != nil {
			return nil, err
		}
		want[bucket] = got
	}
	return want, s.Close()
}

// rot is one damage: of which file, where, and how.
type rot struct {
	file string
	at   int64
	how  string
}

func (r rot) String() string { return fmt.Sprintf("%s %s at %d", r.how, r.file, r.at) }

// rots returns a sample of what can happen to the files of a folder, the same for
// the same seed.
func rots(dir string, n int) ([]rot, error) {
	random := rand.New(rand.NewPCG(rotSeed, 0))
	sizes := map[string][]string{} // by kind
	filled := map[string]int{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(os.DirFS(dir), name)
		if err != nil {
			return err
		}
		kind := filepath.Ext(name)
		if kind == "" {
			kind = name
		}
		// What follows is zeros that Badger reserved.
		filled[name] = max(1, min(len(b), len(bytes.TrimRight(b, "\x00"))+64))
		if kind != ".lock" && kind != "opening" && filepath.Base(name) != "LOCK" && len(b) > 0 {
			sizes[kind] = append(sizes[kind], name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kinds := slices.Sorted(func(yield func(string) bool) {
		for k := range sizes {
			if !yield(k) {
				return
			}
		}
	})
	var all []rot
	for i := range n {
		kind := kinds[i%len(kinds)]
		if i%2 == 0 { // most of it to where the data is
			kind = map[bool]string{true: ".sst", false: ".mem"}[len(sizes[".mem"]) == 0 || i%4 == 0 && len(sizes[".sst"]) > 0]
		}
		slices.Sort(sizes[kind])
		file := sizes[kind][random.IntN(len(sizes[kind]))]
		all = append(all, rot{file, random.Int64N(int64(filled[file])), []string{"flip", "flip", "zero", "truncate"}[random.IntN(4)]})
	}
	return all, nil
}

// spoil applies a damage below dir.
func (r rot) spoil(dir string) error {
	path := filepath.Join(dir, r.file)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch r.how {
	case "flip":
		b[r.at] ^= 1 << (r.at % 8)
	case "zero":
		clear(b[r.at:min(int64(len(b)), r.at+512)])
	case "truncate":
		b = b[:r.at]
	}
	return os.WriteFile(path, b, 0o600)
}

// copyFolder makes dir a copy of from.
func copyFolder(from, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.CopyFS(dir, os.DirFS(from))
}

func rotOptions(what string) Options {
	if strings.HasPrefix(what, "encrypted") {
		return Options{Key: testKey}
	}
	return Options{}
}

// playRotten prepares a store and dies without closing it.
func playRotten(ctx context.Context, what string) error {
	s := New("pristine", rotOptions(what))
	for _, write := range rotBatches() {
		if err := write(s, ctx); err != nil {
			return err
		}
	}
	if strings.HasSuffix(what, "closed") {
		return s.Close()
	}
	return nil
}

// playRot checks damages number from to to: "<what> <count> <from>". It says each
// one that it checked.
func playRot(ctx context.Context, argument string) error {
	var what string
	var count, from, again int
	if _, err := fmt.Sscan(argument, &what, &count, &from, &again); err != nil {
		return err
	}
	opts := rotOptions(what)
	if err := copyFolder("pristine", "want"); err != nil {
		return err
	}
	want, err := rotWant(ctx, "want", opts)
	if err != nil {
		return err
	}
	all, err := rots("pristine", count)
	if err != nil {
		return err
	}
	for i := from; i < len(all); i++ {
		if again == 0 || i > from {
			if err := copyFolder("pristine", "rotten"); err != nil {
				return err
			}
			if err := all[i].spoil("rotten"); err != nil {
				return err
			}
		}
		told, err := inspectRotten(ctx, "rotten", opts, want)
		if err != nil {
			return fmt.Errorf("damage %d, %v: inspected: %w", i, all[i], err)
		}
		reported, served, err := checkRotten(ctx, "rotten", opts, want)
		if err != nil {
			return fmt.Errorf("damage %d, %v: %w", i, all[i], err)
		}
		if reported > 0 && !told {
			return fmt.Errorf("damage %d, %v: %d buckets are lost, and an inspection said nothing", i, all[i], reported)
		}
		if err := say(fmt.Sprintf("%d %d %d", i, reported, served)); err != nil {
			return err
		}
	}
	return nil
}

// checkRotten opens a damaged store: nothing wrong is served, and what is missing
// is reported. It returns how many buckets were reported, and how many records
// were served all the same.
func checkRotten(ctx context.Context, dir string, opts Options, want map[string]map[string]string) (reported, served int, err error) {
	s := New(dir, opts)
	defer func() { err = errors.Join(err, s.Close()) }()
	for bucket, records := range want {
		for key, value := range records {
			r, err := s.Get(ctx, bucket, key)
			if err == nil && string(r.Value) != value {
				return 0, 0, fmt.Errorf("Get of %s/%s returned a wrong value: %.80q", bucket, key, r.Value)
			}
			if err != nil && !errors.Is(err, core.ErrCorrupt) {
				return 0, 0, fmt.Errorf("Get of %s/%s: %w", bucket, key, err)
			}
			if key == "key-7" {
				break // some are enough
			}
		}
		got, err := contents(ctx, s, bucket)
		for key, value := range got {
			if records[key] != value {
				return 0, 0, fmt.Errorf("All of %s yielded a wrong value of %s: %.80q", bucket, key, value)
			}
		}
		switch {
		case errors.Is(err, core.ErrCorrupt):
			reported++
		case err != nil:
			return 0, 0, fmt.Errorf("All of %s: %w", bucket, err)
		case len(got) != len(records):
			return 0, 0, fmt.Errorf("All of %s yielded %d of %d records, and no error", bucket, len(got), len(records))
		}
		served += len(got)
	}
	if reported > 0 && s.Report().Damage == "" {
		return 0, 0, errors.New("Stats know of no damage")
	}
	healed := core.Batch{Reset: true, Put: []core.Record{record("healed", "yes")}}
	if err := s.Write(ctx, "bucket 0", healed); err != nil {
		return 0, 0, fmt.Errorf("Write with Reset: %w", err)
	}
	got, err := contents(ctx, s, "bucket 0")
	if err != nil || len(got) != 1 || got["healed"] != "yes" {
		return 0, 0, fmt.Errorf("after a Write with Reset: %d records, %w", len(got), err)
	}
	return reported, served, nil
}

func TestStore_ServesNothingRotten(t *testing.T) {
	count := 600 // of each of the four
	if testing.Short() {
		count = 40
	}
	for _, what := range []string{"closed", "killed", "encrypted-closed", "encrypted-killed"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			finish(t, "rotten "+what, dir)
			checked, crashed, reported, silent, served := 0, 0, 0, 0, 0
			for next, again := 0, 0; next < count; {
				cmd, in, out := child(t, fmt.Sprint("rot ", what, " ", count, " ", next, " ", again), dir)
				began := next
				for out.Scan() {
					fields := strings.Fields(out.Text())
					n, _ := strconv.Atoi(fields[0])
					if n != next {
						t.Fatalf("expected %d, got %q", next, out.Text())
					}
					if fields[1] == "0" {
						silent++
					} else {
						reported++
					}
					k, _ := strconv.Atoi(fields[2])
					served += k
					next, checked, again = n+1, checked+1, 0
				}
				_ = in.Close()
				err := cmd.Wait()
				if err == nil {
					break
				}
				// It died, or found something wrong. A start after that must work.
				if again == 1 && began == next {
					t.Fatalf("damage %d: two starts ended badly: %v", next, err)
				}
				t.Errorf("damage %d: the process ended: %v", next, err)
				if crashed, again = crashed+1, 1; crashed > 20 {
					t.Fatal("too many")
				}
			}
			t.Logf("%d damages: %d reported, %d without any loss, %d crashes, %d records served", checked, reported, silent, crashed, served)
			if checked != count {
				t.Errorf("%d of %d damages were checked", checked, count)
			}
		})
	}
}
