package badger

import (
	"errors"
	"fmt"
	"time"
)

// audit is called when acknowledged writes are missing, or when the heads of the
// buckets are not those that the head of the store vouches for. It gives up the
// buckets that may be older than they should be: what is there of them is never
// served. The caller has the turn.
func (s *Store) audit(v *view, vouched bool) error {
	w := s.witness
	var why error
	switch {
	case w.seq > s.seq:
		why = fmt.Errorf("%d acknowledged writes are missing", w.seq-s.seq)
	default:
		why = errors.New("heads of buckets are missing or damaged")
	}
	if !w.covers(s.seq) {
		return s.startOver(why)
	}
	latest := w.latest()
	c := &change{}
	after := make(map[bucketID]*bucket)
	var heads tally
	giveUp := func(id bucketID, b *bucket) error {
		lost, stale, err := lostHead(v, id, b)
		if err != nil {
			return err
		}
		lost.seq, lost.written = max(w.seq, s.seq), time.Now()
		for _, generation := range stale {
			c.set(staleKey(id, generation), []byte{})
		}
		encoded := lost.encode(id)
		c.set(headKey(id), encoded)
		after[id] = &bucket{id: id, head: lost, stamp: mixOf(encoded)}
		heads.add(mixOf(encoded))
		return nil
	}
	for id, b := range s.buckets {
		if newest, known := latest[id]; !b.current(newest, known, vouched) {
			if err := giveUp(id, b); err != nil {
				return err
			}
			continue
		}
		after[id] = b
		heads.add(b.stamp)
	}
	for id := range latest {
		if s.buckets[id] == nil {
			if err := giveUp(id, nil); err != nil {
				return err
			}
		}
	}
	c.set(storeKey(), storeHead{seq: max(w.seq, s.seq), heads: heads}.encode())
	if !s.db.fits(c, 0) {
		return s.startOver(why)
	}
	if err := s.db.commit(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets, s.heads, s.seq = after, heads, max(w.seq, s.seq)
	if !vouched {
		s.gone = "there may have been more buckets than are left: " + why.Error()
	}
	s.log.Warn("cached buckets are lost", "dir", s.dir, "why", why)
	s.record.damaged(s.log, "", why)
	return nil
}

// current reports whether a bucket is as it was written last, as far as the
// witness, which may know the newest write to it, and the head of the store, if it
// vouches for the heads, can tell.
func (b *bucket) current(newest uint64, known, vouched bool) bool {
	switch {
	case b.broken:
		return false
	case !vouched:
		return known && b.head.seq == newest
	}
	return !known || b.head.seq >= newest
}

// lostHead returns the head of a bucket that is given up, and the generations of
// it that are to be removed. B is nil if there is no head at all.
func lostHead(v *view, id bucketID, b *bucket) (head, []uint64, error) {
	if b != nil && !b.broken {
		h := b.head
		stale := []uint64{h.generation}
		h.generation++
		h.lost += max(h.count, 1)
		h.tally = tally{}
		return h, stale, nil
	}
	stale, err := v.generations(id)
	if err != nil {
		return head{}, nil, err
	}
	h := head{generation: 1, lost: 1}
	for _, generation := range stale {
		h.generation = max(h.generation, generation+1)
	}
	const most = 8
	return h, stale[max(0, len(stale)-most):], nil // more than two are damage themselves, and stay
}

// generations lists the generations that there are records of in a bucket.
func (v *view) generations(id bucketID) ([]uint64, error) {
	var all []uint64
	err := v.keys(append([]byte{kindRecord}, id[:]...), func(key []byte) bool {
		if known(key) {
			if _, g, _ := scopeOf(key); len(all) == 0 || all[len(all)-1] != g {
				all = append(all, g)
			}
		}
		return true
	})
	return all, err
}

// startOver closes a database of which nothing can be served, and opens an empty
// one.
func (s *Store) startOver(why error) error {
	s.mu.Lock()
	db := s.db
	s.db = nil
	clear(s.buckets)
	s.mu.Unlock()
	if err := db.close(); err != nil {
		return err
	}
	if err := s.abandon(why.Error()); err != nil {
		return err
	}
	db, err := openDatabase(s.folder.path(dataName), s.keys[0], s.log)
	if err != nil {
		return err
	}
	if err := s.install(db); err != nil {
		return errors.Join(err, db.close())
	}
	return nil
}
