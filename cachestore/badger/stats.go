package badger

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

var _ core.StatsReporter = (*Store)(nil)

// Stats implements [core.StatsReporter]. It counts what was there when the store
// was last open, and never touches the disk: Bytes and FreeBytes are as the last
// Write found them, 0 and -1 before the first. [Store.Report] knows more.
func (s *Store) Stats() core.StoreStats {
	st := s.record.stats()
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Buckets, st.Records = s.count()
	return st
}

// count counts buckets and records. The caller holds s.mu.
func (s *Store) count() (buckets, records int) {
	for _, b := range s.buckets {
		records += int(b.head.count)
	}
	return len(s.buckets), records
}

// Report is what a [Store] can say of itself to a person.
type Report struct {
	// Open says that the store is open. All that follows is what was known when it
	// was last.
	Open bool
	// ReadOnly says that there was too little room on the disk to open it for
	// writing: it is served from memory until a Write finds room.
	ReadOnly bool
	// Buckets and Records count what is there.
	Buckets, Records int
	// DiskBytes is what the files of the store take, put-aside ones not included.
	DiskBytes int64
	// FreeBytes is what is free on the disk; -1 if that can't be told.
	FreeBytes int64
	// NeededBytes is how much must be free for a small Write.
	NeededBytes int64
	// LastWrite is when this process wrote last.
	LastWrite time.Time
	// LastError is the last failure of the disk or of opening the store, and
	// LastErrorAt when that was. It is kept after the store recovered.
	LastError   error
	LastErrorAt time.Time
	// Damage says what was found damaged last, and DamageAt when that was; "" if
	// nothing was since the store was made.
	Damage   string
	DamageAt time.Time
	// PutAside lists the folders, by name, in which damaged stores were kept.
	PutAside []string
}

// Report returns what the store knows of itself. It does not open the store, but
// asks the disk for sizes; [Store.Stats] does not.
func (s *Store) Report() Report {
	st := s.record.report()
	s.mu.RLock()
	st.Open, st.ReadOnly = s.db != nil || s.shelf != nil, s.shelf != nil
	st.Buckets, st.Records = s.count()
	s.mu.RUnlock()
	tables, all := diskUse(filepath.Join(s.dir, dataName))
	st.DiskBytes, st.NeededBytes = all, margin(tables)
	st.FreeBytes = -1
	if free, err := s.free(s.dir); err == nil {
		st.FreeBytes = free
	}
	if names, err := filepath.Glob(filepath.Join(escapeGlob(s.dir), dataName+".*-*")); err == nil {
		for _, n := range names {
			st.PutAside = append(st.PutAside, filepath.Base(n))
		}
	}
	return st
}

// escapeGlob makes a path match itself only.
func escapeGlob(path string) string {
	var b []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' {
			b = append(b, '[', c, ']')
			continue
		}
		b = append(b, path[i])
	}
	return string(b)
}

// diskUse returns how large the tables and all files of a folder are, logs that
// are not filled as what is reserved for them.
func diskUse(dir string) (tables, all int64) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue
		}
		all += info.Size()
		if filepath.Ext(f.Name()) == tableExt {
			tables += info.Size()
		}
	}
	return tables, all
}

// journal remembers what happened, for Stats and Report.
type journal struct {
	mu     sync.Mutex
	tally  core.StoreStats
	last   Report
	warned map[string]bool // buckets whose damage was logged
}

func (j *journal) stats() core.StoreStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tally
}

func (j *journal) report() Report {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.last
	r.LastWrite, r.LastError, r.LastErrorAt = j.tally.LastWrite, j.tally.LastError, j.tally.LastErrorAt
	return r
}

// space notes what the store takes and what is free.
func (j *journal) space(bytes, free int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tally.Bytes, j.tally.FreeBytes = bytes, free
}

func (j *journal) wrote(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tally.Writes++
	j.tally.LastWrite = at
}

func (j *journal) failed(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tally.Errors++
	j.tally.LastError, j.tally.LastErrorAt = err, time.Now()
}

// damaged remembers damage, and logs it once for each bucket.
func (j *journal) damaged(log *slog.Logger, bucket string, err error) {
	j.mu.Lock()
	fresh := !j.warned[bucket]
	if fresh {
		if j.warned == nil {
			j.warned = make(map[string]bool)
		}
		j.warned[bucket] = true
	}
	why := err
	if e, ok := errors.AsType[*core.Error](err); ok && e.Err != nil {
		why = e.Err
	}
	j.last.Damage, j.last.DamageAt = why.Error(), time.Now()
	j.mu.Unlock()
	if fresh {
		log.Warn("cached records are damaged", "bucket", bucket, "why", why)
	}
}

// healed makes the next damage of a bucket worth a line again.
func (j *journal) healed(bucket string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.warned, bucket)
}
