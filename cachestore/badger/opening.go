package badger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryAfter is how long a failure to open is remembered that took more than a
// look at a lock.
const retryAfter = time.Second

// trial is the last try to open the store that failed.
type trial struct {
	at  time.Time
	err error
}

// open opens the store unless it is open. The caller has the turn.
func (s *Store) open(ctx context.Context) error {
	switch {
	case s.db != nil && s.db.busy():
		return errStuck
	case s.db != nil && s.db.decided():
		return s.install(s.db)
	case s.db != nil || s.shelf != nil:
		return nil
	}
	if s.tried.err != nil && time.Since(s.tried.at) < retryAfter {
		return s.tried.err
	}
	s.tried = trial{}
	f, err := openFolder(s.dir, s.log)
	if err != nil {
		return err
	}
	s.folder = f
	return s.begin(ctx)
}

// begin opens the store in the folder that is open, and closes the folder if that
// fails.
func (s *Store) begin(ctx context.Context) error {
	err := s.start(ctx)
	if errors.Is(err, errSpace) {
		err = s.shelve(ctx, err)
	}
	if err != nil {
		_ = s.shut()
		if ctx.Err() == nil {
			s.tried = trial{time.Now(), err}
		}
	}
	return err
}

// shut closes whatever is open. The caller has the turn.
func (s *Store) shut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.viewing.Lock()
		for v := range s.views {
			v.discard()
		}
		clear(s.views)
		s.viewing.Unlock()
		if err := s.db.close(); err != nil {
			return err // Badger still uses the folder, so that its lock stays
		}
		s.db = nil
	}
	s.shelf = nil
	clear(s.buckets)
	if s.witness != nil {
		s.witness.release()
		s.witness = nil
	}
	if s.folder == nil {
		return nil
	}
	err := s.folder.close()
	s.folder = nil
	return err
}

// start opens Badger's folder, after it was seen that Badger can, or makes one
// that it can open.
func (s *Store) start(ctx context.Context) error {
	root := s.folder.root
	var err error
	if s.witness, err = loadWitness(root); err != nil {
		return fmt.Errorf("open the cache folder: %w", err)
	}
	before, err := readMarker(root)
	if err != nil {
		return fmt.Errorf("open the cache folder: %w", err)
	}
	if err := s.room(0); err != nil {
		return err
	}
	if before, err = s.folder.clear(before); err != nil {
		return err
	}
	data := s.folder.path(dataName)
	var found *survey
	if before != stageAgain && before != stageAside {
		found, err = takeSurvey(data, s.keys)
		if errors.Is(err, errKey) && s.witness.whole && s.witness.keyID == keyID(s.keys[0]) {
			// The key is the right one: what tells so in the folder is damaged.
			found.damage, err = errRegistry, nil
		}
		if err != nil {
			return err
		}
		if err := s.repair(ctx, found, before); err != nil {
			return err
		}
	} else if err := s.abandon("reading it ended the process twice"); err != nil {
		return err
	}
	return s.launch(found)
}

// repair makes a folder out of one that Badger should not open.
func (s *Store) repair(ctx context.Context, found *survey, before stage) error {
	w := s.witness
	switch {
	case found.newer:
		name, err := s.folder.putAside(asideNewer)
		s.log.Warn("cache was written by a newer version and is kept aside; this one starts without it", "dir", s.dir, "kept", name)
		s.gone = "they were written by a newer version of the store, which was moved aside"
		return errors.Join(err, w.renew(s.folder.root, keyID(s.keys[0]), 0))
	case found.empty && w.seq > 0:
		return s.abandon("Badger's folder is missing or empty")
	case found.empty:
		return nil
	}
	why, convert := found.damage, false
	used, rewrap := found.usedKey()
	switch {
	case why != nil:
	case found.seq < w.seq:
		why = fmt.Errorf("%d acknowledged writes are missing", w.seq-found.seq)
	case before != stageNone:
		why = errors.New("the process died when it was opened last")
	case used != keyID(s.keys[0]):
		if rewrap && len(s.keys[0]) > 0 {
			return found.registry.rewrap(found.dir, s.keys[0])
		}
		convert = true
	default:
		return nil
	}
	return s.salvage(ctx, found, before, why, convert)
}

// usedKey names the user's key that a folder is encrypted with, and says whether
// there is one.
func (n *survey) usedKey() (id [keyIDSize]byte, encrypted bool) {
	if n.registry == nil {
		return id, false
	}
	return keyID(n.registry.used), len(n.registry.used) > 0
}

// salvage makes a new folder of what can be read of one.
func (s *Store) salvage(ctx context.Context, found *survey, before stage, why error, convert bool) error {
	if err := s.room(2 * found.bytes); err != nil {
		return err
	}
	next := stageSalvage
	if before == stageSalvage {
		next = stageAgain
	}
	if err := mark(s.folder.root, next); err != nil {
		return err
	}
	orphans := found.manifest == nil || found.seq < s.witness.seq
	err := salvage(ctx, found, orphans, s.folder.path(freshName), s.keys[0], s.log)
	if err != nil {
		_ = unmark(s.folder.root) // the process did not die
		return fmt.Errorf("save what is whole of a cache (%w): %w", why, err)
	}
	if err := mark(s.folder.root, stageSwap); err != nil {
		return err
	}
	kind := asideCorrupt
	if convert {
		kind = asideConvert
	}
	name, err := s.folder.putAside(kind)
	if err != nil {
		return err
	}
	if err := s.folder.root.Rename(freshName, dataName); err != nil {
		return err
	}
	if err := s.folder.sync(); err != nil {
		return err
	}
	if convert {
		s.log.Info("cache was encrypted anew", "dir", s.dir)
		return s.folder.root.RemoveAll(name)
	}
	if found.damage == nil && found.seq >= s.witness.seq {
		// Nothing was wrong with it; a copy is of no use.
		s.log.Warn("cache was copied into a new folder", "dir", s.dir, "why", why)
		return s.folder.root.RemoveAll(name)
	}
	s.log.Warn("cache was damaged; what is whole of it was saved", "dir", s.dir, "why", why, "kept", name)
	s.record.damaged(s.log, "", why)
	return nil
}

// abandon puts a folder aside without looking at it.
func (s *Store) abandon(why string) error {
	name, err := s.folder.putAside(asideCorrupt)
	if err != nil {
		return err
	}
	s.log.Warn("cache is lost; this process starts without it", "dir", s.dir, "why", why, "kept", name)
	s.record.damaged(s.log, "", errors.New(why))
	s.gone = "the store was moved aside: " + why + "; a Write replaces them"
	return s.witness.renew(s.folder.root, keyID(s.keys[0]), 0)
}

// launch lets Badger open its folder.
func (s *Store) launch(found *survey) error {
	root := s.folder.root
	if err := mark(root, stageOpen); err != nil {
		return err
	}
	if err := s.folder.sweep(); err != nil {
		return err
	}
	db, err := openDatabase(s.folder.path(dataName), s.keys[0], s.log)
	if err != nil {
		if !ofMedium(err) && found != nil && !found.empty {
			return fmt.Errorf("what was read without trouble can't be opened; the next try copies it: %w", wrapped("open", err))
		}
		_ = unmark(root) // the process did not die
		return wrapped("open", err)
	}
	if err := s.install(db); err != nil {
		_ = db.close()
		return err
	}
	return unmark(root)
}

// install makes db the open database, and reads what there is.
func (s *Store) install(db *database) error {
	v, err := db.view()
	if err != nil {
		return err
	}
	defer v.discard()
	var store storeHead
	b, err := v.get(storeKey())
	if err == nil && b != nil {
		store, err = decodeStoreHead(b)
	}
	if err != nil && !errors.Is(err, errHead) {
		return err
	}
	buckets := make(map[bucketID]*bucket)
	var heads tally
	err = v.scan([]byte{kindHead}, nil, func(key, value []byte) bool {
		if known(key) {
			id := bucketID(key[1:])
			h, err := decodeHead(id, value)
			b := &bucket{id: id, head: h, broken: err != nil}
			if !b.broken {
				b.stamp = mixOf(value)
				heads.add(b.stamp)
			}
			buckets[id] = b
		}
		return true
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.seq, s.heads, s.buckets, s.db, s.garbage = store.seq, heads, buckets, db, true
	s.mu.Unlock()
	if s.witness.seq > store.seq || heads != store.heads || len(buckets) != int(heads.count) {
		if err := s.audit(v, heads == store.heads); err != nil {
			return err
		}
	}
	if err := s.redoAll(v); err != nil {
		return err
	}
	return s.attest()
}

// attest makes the witness know what is there.
func (s *Store) attest() error {
	w, root := s.witness, s.folder.root
	if !w.whole || w.file == nil || w.keyID != keyID(s.keys[0]) {
		if !w.whole && s.seq > 0 {
			s.log.Warn("the witness of the cache is missing or damaged; it is made anew", "dir", s.dir)
		}
		return w.renew(root, keyID(s.keys[0]), s.seq)
	}
	// A process may die between a commit and its note.
	for _, b := range s.buckets {
		if b.head.seq > w.seq {
			if err := w.note(b.head.seq, b.id); err != nil {
				return err
			}
		}
	}
	return nil
}
