package badger

import (
	"context"
	"errors"
	"fmt"
	"os"
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
