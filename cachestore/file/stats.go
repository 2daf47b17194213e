package file

import (
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

var _ core.StatsReporter = (*Store)(nil)

// Stats implements [core.StatsReporter]. It counts the buckets that were used since
// the folder was opened, and never touches the disk.
func (s *Store) Stats() core.StoreStats {
	st := s.tally.read()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, b := range s.states {
		st.Buckets++
		st.Records += len(b.records)
		st.Bytes += b.bytes()
	}
	return st
}

// tally counts how calls went. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	stats core.StoreStats
}

func (t *tally) read() core.StoreStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// wrote counts the outcome of a Write, and returns it.
func (t *tally) wrote(err error) error {
	if err != nil {
		return t.failed(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Writes++
	t.stats.LastWrite = time.Now()
	return nil
}

// failed counts an error that says something of the store or its medium, and
// returns it.
func (t *tally) failed(err error) error {
	e, ours := errors.AsType[*core.Error](err)
	if !ours || e.Kind == core.ErrInvalid || e.Kind == core.ErrClosed { //nolint:errorlint // Kind is one of them, not wrapped
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Errors++
	t.stats.LastError, t.stats.LastErrorAt = err, time.Now()
	return err
}

// free notes what is free now.
func (t *tally) free(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.FreeBytes = bytes
}
