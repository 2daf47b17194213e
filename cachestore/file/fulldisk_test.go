package file

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// TestStore_FullDiskKeepsTheOldState limits what a process may write to a file.
func TestStore_FullDiskKeepsTheOldState(t *testing.T) {
	dir := t.TempDir()
	finish(t, "full disk", dir)
	expect(t, open(t, dir, Options{}), "b", map[string]string{"k": "v", "l": "after"})
	if got := files(t, dir, "journaled-"); len(got) != 2 {
		t.Errorf("of the journaled bucket there are %q, want a document and a journal", got)
	}
}

// playFullDisk writes more than fits.
func playFullDisk(ctx context.Context) error {
	s := New(".", Options{})
	if err := s.Write(ctx, "b", put(record("k", "v"))); err != nil {
		return err
	}
	ballast := record("ballast", strings.Repeat("b", 60<<10))
	if err := s.Write(ctx, "journaled", put(ballast, record("n", "0"))); err != nil {
		return err
	}
	if err := s.Write(ctx, "journaled", put(record("n", "1"))); err != nil {
		return err
	}
	if err := limitFiles(2 << 10); err != nil {
		return err
	}
	for range 3 {
		err := errors.Join(
			refused(s.Write(ctx, "b", put(record("large", strings.Repeat("x", 100<<10))))),
			refused(s.Write(ctx, "journaled", put(record("n", "2"), record("large", strings.Repeat("x", 10<<10))))),
			holds(ctx, s, map[string]string{"k": "v"}, map[string]string{"n": "1", "ballast": string(ballast.Value)}),
			holds(ctx, New(".", Options{}), map[string]string{"k": "v"}, map[string]string{"n": "1", "ballast": string(ballast.Value)}),
		)
		if err != nil {
			return err
		}
	}
	if temps, err := filepath.Glob("*.tmp-*"); err != nil || len(temps) > 0 {
		return fmt.Errorf("temp files stay: %q %w", temps, err)
	}
	if st := s.Stats(); st.Errors != 6 || !errors.Is(st.LastError, core.ErrUnavailable) {
		return fmt.Errorf("stats: %+v", st)
	}
	if err := limitFiles(math.MaxInt64); err != nil {
		return err
	}
	return errors.Join(
		s.Write(ctx, "b", put(record("l", "after"))),
		s.Write(ctx, "journaled", put(record("n", "3"))),
		holds(ctx, s, map[string]string{"k": "v", "l": "after"}, map[string]string{"n": "3", "ballast": string(ballast.Value)}),
		holds(ctx, New(".", Options{}), map[string]string{"k": "v", "l": "after"}, map[string]string{"n": "3", "ballast": string(ballast.Value)}),
		s.Close(),
	)
}

// refused expects the error of a disk without space.
func refused(err error) error {
	if errors.Is(err, core.ErrUnavailable) {
		return nil
	}
	return fmt.Errorf("Write that does not fit: %w", err)
}

// holds expects what two buckets hold.
func holds(ctx context.Context, s *Store, b, journaled map[string]string) error {
	for bucket, want := range map[string]map[string]string{"b": b, "journaled": journaled} {
		got, err := contents(ctx, s, bucket)
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			return fmt.Errorf("bucket %s has %d records, want %d", bucket, len(got), len(want))
		}
		for k, v := range want {
			if got[k] != v {
				return fmt.Errorf("bucket %s has another value of %s", bucket, k)
			}
		}
	}
	return nil
}

// TestStore_FullFileSystemKeepsTheOldState fills a small file system, where this process
// may mount one; elsewhere the limit above has to do.
func TestStore_FullFileSystemKeepsTheOldState(t *testing.T) {
	if !playsOnTmpfs(t) {
		t.Log("no file system can be mounted here")
		finish(t, "full disk", t.TempDir())
	}
}

// playTmpfs runs in a file system of 1 MiB that is its own.
func playTmpfs(ctx context.Context) error {
	if err := mountSmall("."); err != nil {
		return err
	}
	// The working directory is still the one below the mount.
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	foreign := filepath.Join(here, "foreign")
	if err := os.WriteFile(foreign, make([]byte, 300<<10), 0o600); err != nil {
		return err
	}
	dir := filepath.Join(here, "cache")
	s := New(dir, Options{})
	acknowledged := -1
	var full error
	for n := range 10_000 {
		if full = s.Write(ctx, "b", put(record(fmt.Sprint("k", n), strings.Repeat("x", 500)))); full != nil {
			break
		}
		acknowledged = n
	}
	if err := refused(full); err != nil {
		return err
	}
	if free := s.Stats().FreeBytes; free < 0 || free > 1<<20 {
		return fmt.Errorf("%d bytes are said to be free", free)
	}
	for range 3 {
		for _, s := range []*Store{s, New(dir, Options{})} {
			got, err := contents(ctx, s, "b")
			if err != nil || len(got) != acknowledged+1 {
				return fmt.Errorf("%d of %d records: %w", len(got), acknowledged+1, err)
			}
		}
		if err := refused(s.Write(ctx, "b", put(record("large", strings.Repeat("x", 600<<10))))); err != nil {
			return err
		}
	}
	if err := os.Remove(foreign); err != nil {
		return err
	}
	for n := range 20 {
		if err := s.Write(ctx, "b", put(record("after", fmt.Sprint(n)))); err != nil {
			return fmt.Errorf("Write with space again: %w", err)
		}
	}
	got, err := contents(ctx, New(dir, Options{}), "b")
	if err != nil || len(got) != acknowledged+2 || got["after"] != "19" {
		return fmt.Errorf("after it: %d of %d records: %w", len(got), acknowledged+2, err)
	}
	return errors.Join(say(fmt.Sprint(acknowledged)), s.Close())
}
