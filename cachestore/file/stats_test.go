package file

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestStats_TellHowTheStoreDoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, dir, Options{})
	if st := s.Stats(); st != (core.StoreStats{FreeBytes: -1}) {
		t.Errorf("before it is used: %+v", st)
	}
	began := time.Now()
	write(t, s, "b", put(record("k", "v"), record("l", "v")))
	write(t, s, "b", put(record("k", "w")))
	write(t, s, "c", put(record("k", "v")))
	st := s.Stats()
	if st.Buckets != 2 || st.Records != 3 || st.Writes != 3 || st.Errors != 0 || st.LastWrite.Before(began) || st.LastError != nil {
		t.Errorf("after three Writes: %+v", st)
	}
	var onDisk int64
	for name, text := range snapshot(t, dir) {
		if name != lockName {
			onDisk += int64(len(text))
		}
	}
	if st.Bytes != onDisk {
		t.Errorf("Bytes is %d, the files have %d", st.Bytes, onDisk)
	}
	if known := runtime.GOOS == "linux" || runtime.GOOS == "darwin"; known != (st.FreeBytes > 0) {
		t.Errorf("FreeBytes is %d", st.FreeBytes)
	}
	// Mistakes of the caller say nothing of the store.
	expectKind(t, "Write without a key", s.Write(t.Context(), "b", put(record("", "v"))), core.ErrInvalid)
	if _, err := s.Get(t.Context(), "b", "unknown"); !errors.Is(err, core.ErrNotFound) {
		t.Error(err)
	}
	second := open(t, dir, Options{})
	err := second.Write(t.Context(), "b", put(record("k", "x")))
	expectKind(t, "Write of the second", err, core.ErrUnavailable)
	if st := second.Stats(); st.Errors != 1 || st.LastError != err || st.LastErrorAt.Before(began) { //nolint:errorlint // it is the very error
		t.Errorf("after a failed Write: %+v", st)
	}
	if st := s.Stats(); st.Errors != 0 || st.Records != 3 {
		t.Errorf("of the first: %+v", st)
	}
}

func TestStats_CountJournals(t *testing.T) {
	dir := t.TempDir()
	s := journaling(dir, Options{})
	t.Cleanup(func() { _ = s.Close() })
	write(t, s, "b", put(record("k", "v")))
	write(t, s, "b", put(record("l", "v")))
	write(t, s, "b", core.Batch{Delete: []string{"k"}})
	var onDisk int64
	for name, text := range snapshot(t, dir) {
		if name != lockName {
			onDisk += int64(len(text))
		}
	}
	if st := s.Stats(); st.Records != 1 || st.Bytes != onDisk {
		t.Errorf("%+v, the files have %d bytes", st, onDisk)
	}
}

func TestStats_NeverWaitForTheDisk(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	write(t, s, "b", put(record("k", "v")))
	s.turn <- struct{}{} // somebody is at the disk, and hangs
	if st := s.Stats(); st.Records != 1 {
		t.Errorf("%+v", st)
	}
	s.give()
}
