package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Write implements [core.CacheStore]. It writes the bucket's document anew, or
// appends to its journal when that is large. When the disk is full or read-only,
// or another process writes the folder, it is [core.ErrUnavailable] and the old
// state stays. If only the last sync failed, it is ErrUnavailable too, and the
// new state may be there.
func (s *Store) Write(ctx context.Context, bucket string, b core.Batch) error {
	const op = "write"
	if err := s.check(ctx, op, bucket); err != nil {
		return err
	}
	if err := s.checkBatch(b); err != nil {
		return failure(op, bucket, core.ErrInvalid, err)
	}
	if err := s.take(ctx, op, bucket); err != nil {
		return err
	}
	defer s.give()
	err := s.put(ctx, op, bucket, b)
	s.tally.free(freeBytes(s.dir))
	return s.tally.wrote(err)
}

// put is Write for who has the turn.
func (s *Store) put(ctx context.Context, op, bucket string, b core.Batch) error {
	if err := s.becomeWriter(); err != nil {
		return failure(op, bucket, core.ErrUnavailable, err)
	}
	old, err := s.state(op, bucket)
	if err != nil {
		return err
	}
	if !changes(old, b) {
		return nil
	}
	if done, err := s.append(ctx, op, bucket, old, b); done || err != nil {
		return err
	}
	return s.rewrite(ctx, op, bucket, old, b)
}

// rewrite makes a new document of what is there and b.
func (s *Store) rewrite(ctx context.Context, op, bucket string, old *state, b core.Batch) error {
	name, now := stem(bucket, s.sealer != nil), time.Now()
	next := &state{
		records: apply(old.records, b), generation: old.generation + 1, exists: true, rotate: true,
		base: content{generation: old.generation + 1, version: aloneVersion, saved: now},
	}
	if !old.rotate {
		// Of the documents that these continued nothing may be known any more.
		for _, j := range s.folder.journals(name) {
			generation, _ := journalOf(name, j)
			next.generation = max(next.generation, generation+1)
		}
		next.base.generation = next.generation
	}
	if int64(roughly(next.records)) >= s.journalFrom {
		next.base.version, next.journalName = continuedVersion, journalName(name, next.generation)
	}
	doc, sum, err := encode(next.base.version, bucket, next.records, next.generation, now, s.sealer)
	if err != nil {
		return failure(op, bucket, core.ErrInvalid, err)
	}
	if int64(len(doc)) > s.limit {
		return failure(op, bucket, core.ErrInvalid, s.tooLarge(int64(len(doc))))
	}
	next.base.sum = sum
	next.baseSize, next.size = int64(len(doc)), int64(len(doc))
	next.previousSize = old.previousSize
	if old.rotate {
		next.previousSize = old.bytes() - old.previousSize
	}
	next.rewrite = next.base.version < continuedVersion
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	temp, err := s.folder.create(name, doc)
	if err != nil {
		return failure(op, bucket, core.ErrUnavailable, err)
	}
	if ctx.Err() != nil {
		_ = s.folder.root.Remove(temp)
		return context.Cause(ctx)
	}
	if err := s.folder.replace(name, temp, old); err != nil {
		s.remember(bucket, nil) // how far it came is on the disk only
		return failure(op, bucket, core.ErrUnavailable, err)
	}
	next.journals = old.journals
	if old.rotate && old.journals {
		next.journals = s.folder.forget(name, old.base.generation)
	}
	next.journals = next.journals || next.journalName != ""
	// What the files look like is compared only by a store that is not the writer,
	// which reads the bucket anew anyway.
	s.remember(bucket, next)
	return nil
}

// replace makes temp the current document of a bucket and keeps what was there.
func (f *folder) replace(stem, temp string, old *state) error {
	for _, a := range old.aside {
		if err := f.putAside(a.name, a.kind); err != nil {
			return errors.Join(err, f.root.Remove(temp))
		}
	}
	if old.rotate {
		// That somebody deleted it is no reason to lose what is in memory too.
		if err := f.root.Rename(stem+current, stem+previous); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, f.root.Remove(temp))
		}
	}
	if err := f.root.Rename(temp, stem+current); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	if err := f.sync(); err != nil {
		return err
	}
	if len(old.aside) > 0 {
		f.prune(stem)
	}
	if len(old.plain) == 0 {
		return nil
	}
	for _, name := range old.plain {
		if err := f.root.Remove(name); err != nil {
			return err
		}
	}
	return f.sync()
}

func (s *Store) checkBatch(b core.Batch) error {
	size := int64(0)
	for _, r := range b.Put {
		if err := checkRecord(r); err != nil {
			return err
		}
		size += int64(len(r.Value))
	}
	if size > s.limit {
		return s.tooLarge(size)
	}
	for _, key := range b.Delete {
		if err := checkName("key", key); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) tooLarge(size int64) error {
	return fmt.Errorf("the bucket would take %d bytes; Options.MaxBucketBytes allows %d", size, s.limit)
}

// changes reports whether b has anything to do. Damage is healed by any batch
// that is not empty.
func changes(old *state, b core.Batch) bool {
	if b.Reset || len(b.Put) > 0 {
		return true
	}
	for _, key := range b.Delete {
		if _, ok := old.records[key]; ok || old.lost > 0 {
			return true
		}
	}
	return false
}

// apply returns a copy of old with b applied, which shares nothing with b.
func apply(old map[string]core.Record, b core.Batch) map[string]core.Record {
	records := make(map[string]core.Record, len(old)+len(b.Put))
	if !b.Reset {
		maps.Copy(records, old)
	}
	applyTo(records, b)
	return records
}
