package badger

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Write implements [core.CacheStore]. A batch that fits into one transaction of
// Badger (some 300 KB, or 3,000 records) costs as much as it is large, and a
// larger one twice that. One of more than half the bucket, one with Reset, and any
// to a bucket with damage writes the bucket anew beside the old one, which is
// removed afterwards.
//
// It is [core.ErrUnavailable], and changes nothing, when there is less room on
// the disk than Badger might take (see [Stats].NeededBytes): Badger would not
// survive a full disk. If only the very last step failed it is ErrUnavailable
// too, and the batch may be there.
//
// After a Write of 8 MiB or more that wrote a bucket anew, and once a minute at
// most, the garbage of the whole process is collected and given back to the system.
func (s *Store) Write(ctx context.Context, bucket string, b core.Batch) error {
	anew, err := s.write(ctx, bucket, b)
	if anew >= largeFlip {
		s.giveBack() // b may be garbage too by now
	}
	return err
}

// write returns how much it wrote if it wrote the bucket anew.
func (s *Store) write(ctx context.Context, bucket string, b core.Batch) (anew int64, err error) {
	const op = "write"
	if err := s.check(ctx, op, bucket); err != nil {
		return 0, err
	}
	w, err := s.newWriting(bucket, b)
	if err != nil {
		return 0, failure(op, bucket, core.ErrInvalid, err)
	}
	if err := s.take(ctx, op, bucket); err != nil {
		return 0, err
	}
	defer s.give()
	purpose := toChange
	if b.Reset {
		purpose = toReplace
	}
	if err := s.prepare(ctx, op, bucket, purpose); err != nil {
		return 0, err
	}
	err = w.perform(ctx)
	switch {
	case err == nil:
		return w.anewSize, nil
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return w.anewSize, err
	}
	s.record.failed(err)
	return w.anewSize, classify(op, bucket, err)
}

const (
	largeFlip = 8 << 20
	flipPause = time.Minute
)

// giveBack returns what a large flip left as garbage to the system: the collector
// lets garbage grow to the size of what is in use, and the batch is, so that the
// process would stay twice as large as it need be until the next collection, which
// may be minutes away. Once a minute is no more than the runtime does by itself.
func (s *Store) giveBack() {
	now := time.Now().Unix()
	last := s.gaveBack.Load()
	if now-last >= int64(flipPause/time.Second) && s.gaveBack.CompareAndSwap(last, now) {
		debug.FreeOSMemory()
	}
}

// writing is one Write. It is used by who has the turn.
type writing struct {
	store   *Store
	name    string
	id      bucketID
	reset   bool
	put     []core.Record // of each key the last one; the caller's if each is there once
	delete  map[string]struct{}
	size    int64
	old     *bucket
	head    head // what the bucket will be
	changes []func(*bucket)

	anewSize int64 // what was written beside the bucket
}

func (s *Store) newWriting(name string, b core.Batch) (*writing, error) {
	w := &writing{store: s, name: name, id: idOf(name), reset: b.Reset, put: b.Put, delete: make(map[string]struct{}, len(b.Delete))}
	for _, key := range b.Delete {
		if err := checkName("key", key); err != nil {
			return nil, err
		}
		w.delete[key] = struct{}{}
	}
	seen, again := make(map[uint64]struct{}, len(b.Put)), false
	for _, r := range b.Put {
		if err := s.checkRecord(r); err != nil {
			return nil, err
		}
		w.size += int64(len(r.Value)+len(r.Key)+len(r.Revision)) + smallest
		delete(w.delete, r.Key)
		h := w.hash(r.Key)
		_, there := seen[h]
		again = again || there
		seen[h] = struct{}{}
	}
	if again {
		w.put = lastOfEach(b.Put)
	}
	return w, nil
}

// lastOfEach returns of each key the last record.
func lastOfEach(all []core.Record) []core.Record {
	at := make(map[string]int, len(all))
	var last []core.Record
	for _, r := range all {
		if i, twice := at[r.Key]; twice {
			last[i] = r
			continue
		}
		at[r.Key] = len(last)
		last = append(last, r)
	}
	return last
}

// checkRecord looks at sizes before Badger does, whose errors hold values.
func (s *Store) checkRecord(r core.Record) error {
	switch {
	case int64(len(r.Value)) > s.limit:
		return fmt.Errorf("a value has %d bytes; Options.MaxValueBytes allows %d", len(r.Value), s.limit)
	case len(r.Revision) > longestRevision:
		return fmt.Errorf("a revision has %d bytes; %d are allowed", len(r.Revision), longestRevision)
	}
	return checkName("key", r.Key)
}

func (w *writing) perform(ctx context.Context) error {
	s := w.store
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.old = s.buckets[w.id] // only who has the turn changes it
	if w.idle() {
		return nil
	}
	if err := s.room(w.size); err != nil {
		return err
	}
	if s.garbage {
		if err := s.collect(ctx); err != nil {
			return err
		}
	}
	whole := w.old == nil || w.old.lost() == 0
	if !w.reset && whole {
		if done, err := w.direct(ctx); done || err != nil {
			return err
		}
	}
	w.anewSize = w.size
	if w.old != nil && !w.reset {
		w.anewSize += int64(w.old.head.count) * smallest // at least
	}
	return w.anew(ctx)
}

// idle reports whether there is nothing to do.
func (w *writing) idle() bool {
	if w.reset {
		return w.old == nil && len(w.put) == 0 && w.store.gone == ""
	}
	if len(w.put) > 0 {
		return false
	}
	for key := range w.delete {
		if w.old == nil {
			continue
		}
		if _, there := w.old.index[w.hash(key)]; there || w.old.lost() > 0 {
			return false
		}
	}
	return true
}

func (w *writing) hash(key string) uint64 { return maphash.String(w.store.seed, key) }

// direct changes the bucket where it is; false if writing it anew is better.
func (w *writing) direct(ctx context.Context) (done bool, err error) {
	db := w.store.db
	if w.old != nil {
		w.head = w.old.head
	}
	w.head.generation = max(w.head.generation, 1)
	c := &change{}
	parts, marks := &change{}, &change{}
	seal := newSealer(w.id, w.head.generation)
	for key := range w.delete {
		w.drop(c, key, true)
	}
	for _, r := range w.put {
		w.drop(c, r.Key, false)
		e := entry{revision: r.Revision, savedAt: r.SavedAt, value: r.Value}
		if len(r.Value) > inlineValue {
			e.blob, e.value = newBlob(r.Value), nil
			mark := orphanKey(w.id, w.head.generation, e.blob.id)
			marks.set(mark, []byte{})
			c.delete(mark)
			_ = e.blob.parts(w.id, w.head.generation, r.Value, func(key, part []byte) error {
				parts.set(key, part)
				return nil
			})
		}
		envelope := seal.seal(r.Key, &e)
		c.set(recordKey(w.id, w.head.generation, r.Key), envelope)
		w.add(r.Key, e)
	}
	large := !db.fits(c, 0)
	if large && w.old == nil || large && uint64(c.count()) > w.old.head.count/2 || !db.fits(marks, 0) {
		return false, nil
	}
	if marks.count() > 0 {
		w.store.garbage = true // unless the last commit says otherwise
		if err := db.commit(marks); err != nil {
			return false, err
		}
		if err := commitAll(db, parts); err != nil {
			return false, err
		}
	}
	if large {
		return true, w.redo(ctx, c)
	}
	return true, w.finish(ctx, c, nil)
}

// commitAll applies changes that need not be one transaction.
func commitAll(db *database, all *change) error {
	c := &change{}
	for _, p := range all.sets {
		if !db.fits(c, len(p.key)+len(p.value)) {
			if err := db.commit(c); err != nil {
				return err
			}
			c.reset()
		}
		c.set(p.key, p.value)
	}
	return db.commit(c)
}

// drop takes a record out of the head, and what it has elsewhere out of Badger.
func (w *writing) drop(c *change, key string, deleted bool) {
	h := w.hash(key)
	if w.old == nil {
		return
	}
	short, there := w.old.index[h]
	if !there {
		return
	}
	w.head.take(short)
	if b, large := w.old.blobs[h]; large {
		c.set(orphanKey(w.id, w.head.generation, b.id), []byte{})
		w.store.garbage = true
	}
	if deleted {
		c.delete(recordKey(w.id, w.head.generation, key))
	}
	w.changes = append(w.changes, func(b *bucket) {
		delete(b.index, h)
		delete(b.blobs, h)
	})
}

// add counts a new record.
func (w *writing) add(key string, e entry) {
	w.head.add(e.sum)
	h := w.hash(key)
	w.changes = append(w.changes, func(b *bucket) { b.note(h, e) })
}

func (b *bucket) note(h uint64, e entry) {
	b.index[h] = e.sum
	if e.blob != nil {
		b.blobs[h] = *e.blob
	}
}

// finish commits the last transaction of a Write, which makes all of it visible.
// Before anybody can see it, then is called.
func (w *writing) finish(ctx context.Context, c *change, then func(*bucket) error) error {
	s := w.store
	w.head.name, w.head.seq, w.head.written = w.name, s.seq+1, time.Now()
	encoded := w.head.encode(w.id)
	heads := s.heads
	if w.old != nil {
		heads.take(w.old.stamp)
	}
	heads.add(mixOf(encoded))
	c.set(headKey(w.id), encoded)
	c.set(storeKey(), storeHead{seq: s.seq + 1, heads: heads}.encode())
	s.mu.Lock()
	err := s.db.commit(c)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.seq++
	s.heads = heads
	b := s.buckets[w.id]
	if b == nil {
		b = &bucket{id: w.id, loaded: true}
		s.buckets[w.id] = b
	}
	if b.index == nil {
		b.index, b.blobs = make(map[uint64]uint64), make(map[uint64]blob)
	}
	b.head = w.head
	for _, change := range w.changes {
		change(b)
	}
	b.stamp = mixOf(encoded)
	var unfinished error
	if then != nil {
		unfinished = then(b)
	}
	s.mu.Unlock()
	s.record.wrote(w.head.written)
	if err := s.witness.note(s.seq, w.id); err != nil {
		return fmt.Errorf("the write is there but can't be vouched for: %w", err)
	}
	if unfinished != nil {
		return unfinished
	}
	if s.garbage {
		s.tidy(ctx)
	}
	return nil
}

// room checks that Badger can't fill the disk.
func (s *Store) room(size int64) error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	tables, all := diskUse(s.folder.path(dataName))
	s.record.space(all, free)
	// A record is written to a log, to the table of that, and by a compaction.
	if need := margin(tables) + 3*size; free < need {
		const mega = 1 << 20
		return fmt.Errorf("%w: %d MiB are free, and %d MiB must be before it is safe to write; what is there can be read (%w)",
			errSpace, free/mega, (need+mega-1)/mega, syscall.ENOSPC)
	}
	return nil
}
