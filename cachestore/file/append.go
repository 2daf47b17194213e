package file

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// journalFrom is how long, about, a document is that is continued by a journal,
	// in bytes. Below that writing it anew costs no more than appending does, and
	// one document is the better read.
	journalFrom = 64 << 10
	// journalRoom is how long a journal may become at least; else it may become as
	// long as the document that it continues, so that writing a document anew costs
	// no more, in the long run, than what was written in between.
	journalRoom = 64 << 10
)

// append writes b behind what is in the journal of a bucket, and reports whether
// that could be done. If not, nothing has changed and the document must be
// written anew.
func (s *Store) append(ctx context.Context, op, bucket string, old *state, b core.Batch) (done bool, err error) {
	if b.Reset || !old.rotate || old.rewrite || old.lost > 0 || len(old.aside) > 0 || len(old.plain) > 0 {
		return false, nil
	}
	now := time.Now()
	if doc, err := s.folder.stat(stem(bucket, s.sealer != nil) + current); err != nil || doc == nil || doc.Size() != old.baseSize {
		return false, nil // somebody touched it: a journal needs its document
	}
	j, head := old.journal, []byte(nil)
	if j == nil {
		j, head, err = newJournal(old.journalName, bucket, old.base.generation, old.base.sum, now, s.sealer)
		if err != nil {
			return false, failure(op, bucket, core.ErrInvalid, err)
		}
	}
	batch, next, err := j.encode(bucket, b, now)
	if err != nil {
		return false, failure(op, bucket, core.ErrInvalid, err)
	}
	size := old.size + int64(len(batch))
	if next.mark.end > max(old.baseSize, s.journalRoom) || size > s.limit {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if head != nil {
		err = s.folder.begin(stem(bucket, s.sealer != nil), next, slices.Concat(head, next.marks(), batch))
	} else {
		err = s.folder.extend(j, next, batch)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // somebody deleted it: what is in memory is the whole
	case errors.Is(err, errUnsure):
		// What a failed sync left in the file is not known, not even by what reading
		// it says.
		old.rewrite = true
		return false, failure(op, bucket, core.ErrUnavailable, err)
	case err != nil:
		return false, failure(op, bucket, core.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old.journal, old.size, old.journals = next, size, true
	applyTo(old.records, b)
	return true, nil
}

// errUnsure says that a batch may be in the journal or not.
var errUnsure = errors.New("it is not known whether the batch is on the disk")

// begin makes the file of a new journal, durably.
func (f *folder) begin(stem string, j *journal, text []byte) error {
	temp, err := f.create(stem, text)
	if err != nil {
		return err
	}
	if err := f.root.Rename(temp, j.name); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	if err := f.sync(); err != nil {
		return errors.Join(errUnsure, err)
	}
	return nil
}

// extend writes a batch behind the last one of j, durably, and then the mark of
// next, which makes it count.
func (f *folder) extend(j, next *journal, batch []byte) (err error) {
	file, err := f.root.OpenFile(j.name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = errors.Join(errUnsure, closed)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < j.mark.end {
		return fs.ErrNotExist // somebody cut it off
	}
	if info.Size() > j.mark.end { // the rest of a Write that failed
		if err := file.Truncate(j.mark.end); err != nil {
			return err
		}
	}
	if _, err := file.WriteAt(batch, j.mark.end); err != nil {
		_ = file.Truncate(j.mark.end) // what fitted would only keep a full disk full
		return err
	}
	if err := file.Sync(); err != nil {
		return errors.Join(errUnsure, err)
	}
	if _, err := file.WriteAt(next.mark.line(j.header), j.slotAt()); err != nil {
		return errors.Join(errUnsure, err)
	}
	if err := file.Sync(); err != nil {
		return errors.Join(errUnsure, err)
	}
	return nil
}

// applyTo applies b, which is no Reset, to records, which share nothing with it.
func applyTo(records map[string]core.Record, b core.Batch) {
	for _, key := range b.Delete {
		delete(records, key)
	}
	for _, r := range b.Put {
		r.Value = bytes.Clone(r.Value)
		r.SavedAt = r.SavedAt.Round(0).UTC() // as it is read from disk
		records[r.Key] = r
	}
}
