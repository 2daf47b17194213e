package badger

import (
	"context"
	"errors"
)

// Without room for the files that Badger makes when it opens a folder, the store
// is read without Badger, into memory, and served from there: a full disk must not
// take away the last good state. Nobody else can change it, because the folder is
// locked. The next Write looks for room, and opens the store if there is some.

// shelve reads the store to be served from memory. The caller has the turn.
func (s *Store) shelve(ctx context.Context, why error) error {
	i, err := examine(ctx, s.folder, s.keys, s.seed)
	if err != nil {
		return errors.Join(why, err)
	}
	if i.refused != nil {
		return i.refused
	}
	s.log.Warn("cache can be read only, until there is room on its disk", "dir", s.dir, "why", why)
	s.record.failed(why)
	if i.damage != nil {
		s.record.damaged(s.log, "", i.damage)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shelf, s.buckets, s.gone = i.content, i.all, i.gone
	return nil
}

// unshelve opens a store that is served from memory, if there is room by now. The
// caller has the turn.
func (s *Store) unshelve(ctx context.Context) error {
	if s.shelf == nil {
		return nil
	}
	if err := s.room(0); err != nil {
		return err
	}
	s.mu.Lock()
	s.shelf, s.buckets, s.gone = nil, make(map[bucketID]*bucket), ""
	s.mu.Unlock()
	s.witness.release()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if s.shelf != nil {
		return errSpace // it is gone again, or what is damaged needs more of it
	}
	s.log.Info("cache can be written again", "dir", s.dir)
	return nil
}

// reader returns a state of the store, and what is to be discarded after use, if
// anything is. The caller holds mu.
func (s *Store) reader() (reader, *view, error) {
	if s.shelf != nil {
		return s.shelf, nil, nil
	}
	v, err := s.db.view()
	return v, v, err
}
