package file

import (
	"errors"
	"fmt"
)

// open opens the folder unless it is open, and becomes its writer if nobody else
// is. The caller has the turn.
func (s *Store) open() error {
	if s.folder != nil {
		return nil
	}
	f, err := openFolder(s.dir, s.log)
	if err != nil {
		return fmt.Errorf("open the cache folder: %w", err)
	}
	s.folder = f
	s.tally.free(freeBytes(s.dir))
	if err := s.claim(); err != nil {
		// Reading works without the lock; each Write asks for it again.
		s.log.Info("cache folder is open for reading only", "dir", s.dir, "why", err)
	}
	return nil
}

// becomeWriter opens the folder and makes this store its writer. The caller has
// the turn.
func (s *Store) becomeWriter() error {
	if err := s.open(); err != nil {
		return err
	}
	wrote := s.writer
	err := s.claim()
	if errors.Is(err, errMoved) || (err != nil && moved(s.dir, s.folder.opened)) {
		// Somebody deleted the folder, or the lock in it. The one at the path counts.
		s.log.Warn("cache folder was moved or deleted; it is opened anew", "dir", s.dir)
		_ = s.shut()
		if err := s.open(); err != nil {
			return err
		}
		return s.claim()
	}
	if err == nil && !wrote && s.writer {
		s.log.Info("cache folder is open for writing now", "dir", s.dir)
	}
	return err
}

// claim takes the folder's lock unless it is held.
func (s *Store) claim() error {
	fresh, err := s.folder.claim()
	if !fresh {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = true
	clear(s.states) // the writer before may have left something newer
	return nil
}

// shut closes the folder and forgets what was in it. The caller has the turn.
func (s *Store) shut() error {
	if s.folder == nil {
		return nil
	}
	err := s.folder.close()
	s.folder = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = false
	clear(s.states)
	return err
}
