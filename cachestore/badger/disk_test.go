package badger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// fill writes until the disk has no room for more, and checks that the process
// goes on.
func fill(ctx context.Context, s *Store, free func() error) error {
	want := map[string]string{}
	// A compaction may make room for a little more after a refusal.
	const refusals = 20
	for n, refused := 0, 0; refused < refusals; n++ {
		if n > 5_000 {
			return errors.New("the disk does not get full")
		}
		var b core.Batch
		for i := range 100 {
			b.Put = append(b.Put, record(fmt.Sprint("k", n, "/", i), strings.Repeat("x", 900)))
		}
		switch err := s.Write(ctx, "b", b); {
		case err == nil:
			for _, r := range b.Put {
				want[r.Key] = string(r.Value)
			}
		case errors.Is(err, core.ErrUnavailable) && errors.Is(err, errSpace) && strings.Contains(err.Error(), "MiB"):
			refused++
		default:
			return fmt.Errorf("Write to a full disk: %w", err)
		}
	}
	got, err := contents(ctx, s, "b")
	if err != nil || len(got) != len(want) {
		return fmt.Errorf("%d of %d records are read: %w", len(got), len(want), err)
	}
	if err := free(); err != nil {
		return err
	}
	if err := s.Write(ctx, "b", put(record("more", "x"))); err != nil {
		return fmt.Errorf("Write when there is room again: %w", err)
	}
	if _, err := s.Get(ctx, "b", "more"); err != nil {
		return err
	}
	return say(fmt.Sprintf("%d records before the disk was full", len(want)))
}

func TestStore_FullDiskEndsNothing(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(t, dir, 96<<20); err != nil {
		t.Logf("no small disk can be mounted here (%v): free space is made up instead", err)
		s := open(t, dir, Options{})
		left := int64(96 << 20)
		s.free = func(string) (int64, error) {
			_, used := diskUse(s.dir + "/" + dataName)
			return left - used, nil
		}
		if err := fill(t.Context(), s, func() error { left += 96 << 20; return nil }); err != nil {
			t.Error(err)
		}
		return
	}
	for _, line := range finish(t, "disk", dir) {
		t.Log("a tmpfs of 96 MiB: ", line)
	}
}

// playFullDisk fills the disk that it stands on.
func playFullDisk(ctx context.Context, _ string) error {
	s := New("store", Options{})
	// Somebody else takes the room, and gives it back.
	if err := os.WriteFile("ballast", make([]byte, 16<<20), 0o600); err != nil {
		return err
	}
	if err := fill(ctx, s, func() error { return os.Remove("ballast") }); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	s = New("store", Options{})
	if _, err := s.Get(ctx, "b", "more"); err != nil {
		return err
	}
	return s.Close()
}

// TestStore_IsReadFromAFullDisk opens stores for which there is no room: they are
// read, refuse what is written, and take it when there is room.
func TestStore_IsReadFromAFullDisk(t *testing.T) {
	for _, what := range []string{"closed", "killed", "encrypted-closed", "encrypted-killed"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := mountSmall(t, dir, 160<<20); err != nil {
				t.Logf("no small disk can be mounted here (%v): free space is made up instead", err)
				finish(t, "rotten "+what, dir)
				t.Chdir(dir)
				if err := readFull(t.Context(), what, func(s *Store, free int64) error {
					s.free = func(string) (int64, error) { return free, nil }
					return nil
				}); err != nil {
					t.Error(err)
				}
				return
			}
			finish(t, "rotten "+what, dir)
			for _, line := range finish(t, "full "+what, dir) {
				t.Log("a tmpfs of 160 MiB: ", line)
			}
		})
	}
}

func TestStore_TellsDamageOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Key: testKey})
	write(t, s, "b", put(record("k", "v"), record("l", "v")))
	write(t, s, "other", put(record("k", "v")))
	shut(t, s)
	full := func(string) (int64, error) { return 0, nil }

	s = open(t, dir, Options{Key: []byte(strings.Repeat("x", 16))})
	s.free = full
	_, err := s.Get(t.Context(), "b", "k")
	expectKind(t, "Get with another key", err, core.ErrDenied)
	shut(t, s)

	tables, err := filepath.Glob(filepath.Join(dir, dataName, "*"+tableExt))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%v, %v", tables, err)
	}
	if err := os.Truncate(tables[0], 100); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{Key: testKey})
	s.free = full
	_, err = s.Get(t.Context(), "b", "k")
	expectKind(t, "Get of what is lost", err, core.ErrCorrupt)
	_, err = contents(t.Context(), s, "never written")
	expectKind(t, "All of what may be lost", err, core.ErrCorrupt)
	expectKind(t, "Write", s.Write(t.Context(), "b", core.Batch{Reset: true}), core.ErrUnavailable)
	if r := s.Report(); r.Damage == "" || len(r.PutAside) > 0 {
		t.Errorf("report: %+v", r)
	}
	s.free = freeSpace
	write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("k", "new")}})
	expect(t, s, "b", map[string]string{"k": "new"})
	if r := s.Report(); len(r.PutAside) != 1 || r.ReadOnly {
		t.Errorf("report: %+v", r)
	}
}

// playFull is TestStore_IsReadFromAFullDisk on the small disk that it stands on.
func playFull(ctx context.Context, what string) error {
	return readFull(ctx, what, func(_ *Store, free int64) error {
		if err := os.RemoveAll("ballast"); err != nil {
			return err
		}
		f, err := os.Create("ballast")
		if err != nil {
			return err
		}
		for chunk := make([]byte, 1<<20); ; {
			left, err := freeSpace(".")
			if err != nil || left <= free {
				return errors.Join(err, f.Close())
			}
			if _, err := f.Write(chunk[:min(int64(len(chunk)), left-free)]); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	})
}

// readFull reads the store that playRotten made with no byte free, with a little,
// and damaged; leave makes that many bytes free.
func readFull(ctx context.Context, what string, leave func(s *Store, free int64) error) error {
	opts := rotOptions(what)
	const roomy = 120 << 20
	if err := copyFolder("pristine", "want"); err != nil {
		return err
	}
	want, err := rotWant(ctx, "want", opts)
	if err != nil {
		return err
	}
	if err := os.RemoveAll("want"); err != nil {
		return err
	}
	for _, free := range []int64{0, 8 << 10, 20 << 20} {
		if err := errors.Join(leave(&Store{}, roomy), copyFolder("pristine", "store")); err != nil {
			return err
		}
		before, err := files("store")
		if err != nil {
			return err
		}
		s := New("store", opts)
		if err := leave(s, free); err != nil {
			return err
		}
		for range 2 {
			for bucket, records := range want {
				got, err := contents(ctx, s, bucket)
				if err != nil || len(got) != len(records) {
					return fmt.Errorf("%d bytes free: %d of %d records of %s are read: %w", free, len(got), len(records), bucket, err)
				}
				for key, value := range records {
					if r, err := s.Get(ctx, bucket, key); err != nil || string(r.Value) != value || got[key] != value {
						return fmt.Errorf("%d bytes free: Get of %s/%s: %w", free, bucket, key, err)
					}
				}
			}
			if _, err := s.Get(ctx, "bucket 0", "no such key"); !errors.Is(err, core.ErrNotFound) {
				return fmt.Errorf("%d bytes free: Get of what is not there: %w", free, err)
			}
			for _, b := range []core.Batch{put(record("more", "x")), {Reset: true}} {
				err := s.Write(ctx, "bucket 0", b)
				if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, errSpace) || !strings.Contains(err.Error(), "MiB") {
					return fmt.Errorf("%d bytes free: Write: %w", free, err)
				}
			}
		}
		if r := s.Report(); !r.Open || !r.ReadOnly || !errors.Is(r.LastError, errSpace) || r.Damage != "" {
			return fmt.Errorf("%d bytes free: report %+v", free, r)
		}
		after, err := files("store")
		if err != nil {
			return err
		}
		for name := range after {
			if after[name] != before[name] {
				return fmt.Errorf("%d bytes free: %s was changed", free, name)
			}
		}
		// An All goes on while the store is opened.
		n, total := 0, len(want["bucket 0"])
		for _, err := range s.All(ctx, "bucket 0") {
			if err != nil {
				return err
			}
			if n++; n == 1 {
				if err := leave(s, roomy); err != nil {
					return err
				}
				if err := s.Write(ctx, "bucket 0", put(record("more", "x"))); err != nil {
					return fmt.Errorf("Write when there is room again: %w", err)
				}
			}
		}
		if n != total {
			return fmt.Errorf("an All in progress yielded %d of %d records", n, total)
		}
		got, err := contents(ctx, s, "bucket 0")
		if err != nil || len(got) != total+1 || got["more"] != "x" {
			return fmt.Errorf("afterwards there are %d records: %w", len(got), err)
		}
		if r := s.Report(); r.ReadOnly || r.Damage != "" || len(r.PutAside) > 0 {
			return fmt.Errorf("afterwards: report %+v", r)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return say("read with 0 bytes, 8 KiB and 20 MiB free; written when there was room")
}

func TestStore_ReadOnlyFolderIsAClearError(t *testing.T) {
	if !modesMatter {
		t.Skip("permission bits protect nothing on this system")
	}
	finish(t, "mode", t.TempDir())
}

// playReadOnly takes the right to write the folder away from itself.
func playReadOnly(ctx context.Context, _ string) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := beNobody(here); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	s := New("store", Options{})
	if err := s.Write(ctx, "b", put(record("k", "v"))); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	for _, row := range []struct {
		name string
		mode os.FileMode
	}{{"store", 0o500}, {"store", 0}, {"store/" + dataName, 0o500}, {"store/" + dataName, 0}, {"store/" + witnessName, 0}} {
		info, err := os.Stat(row.name)
		if err != nil {
			return err
		}
		if err := os.Chmod(row.name, row.mode); err != nil {
			return err
		}
		s := New("store", Options{})
		for range 2 {
			_, err := s.Get(ctx, "b", "k")
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, os.ErrPermission) {
				return fmt.Errorf("%s with mode %v: Get: %w", row.name, row.mode, err)
			}
			if err := s.Write(ctx, "b", put(record("l", "v"))); !errors.Is(err, core.ErrUnavailable) {
				return fmt.Errorf("%s with mode %v: Write: %w", row.name, row.mode, err)
			}
		}
		if err := os.Chmod(row.name, info.Mode().Perm()); err != nil {
			return err
		}
		s.tried = trial{} // a second has passed
		if _, err := s.Get(ctx, "b", "k"); err != nil {
			return fmt.Errorf("%s with its mode again: %w", row.name, err)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}
