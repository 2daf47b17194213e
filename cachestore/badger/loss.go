package badger

import (
	"errors"
	"fmt"
	"time"
)

// disown marks the buckets that acknowledged writes are missing of: what is there
// of them is older than it should be. The caller has the turn.
func (s *Store) disown() error {
	missing := s.witness.seq - s.seq
	changed, ok := s.witness.since(s.seq)
	if !ok {
		// Any bucket may be older than it should be.
		return s.startOver(fmt.Sprintf("%d acknowledged writes are missing", missing))
	}
	c := &change{}
	fresh := make(map[bucketID]*bucket)
	for id := range changed {
		h := head{lost: 1}
		if b := s.buckets[id]; b != nil && !b.broken {
			h = b.head
			c.set(staleKey(id, h.generation), []byte{})
			h.lost += max(h.count, 1)
			h.tally = tally{}
		}
		h.generation++
		h.seq, h.written = s.witness.seq, time.Now()
		c.set(headKey(id), h.encode(id))
		fresh[id] = &bucket{id: id, head: h}
	}
	c.set(storeKey(), storeHead{seq: s.witness.seq}.encode())
	if !s.db.fits(c, 0) {
		return s.startOver(fmt.Sprintf("%d acknowledged writes are missing", missing))
	}
	if err := s.db.commit(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, b := range fresh {
		s.buckets[id] = b
	}
	s.seq = s.witness.seq
	err := fmt.Errorf("%d acknowledged writes to %d buckets are missing", missing, len(changed))
	s.record.damaged(s.log, "", err)
	return nil
}

// startOver closes a database of which nothing can be served, and opens an empty
// one.
func (s *Store) startOver(why string) error {
	s.mu.Lock()
	db := s.db
	s.db = nil
	clear(s.buckets)
	s.mu.Unlock()
	if err := db.close(); err != nil {
		return err
	}
	if err := s.abandon(why); err != nil {
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
