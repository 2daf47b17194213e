package badger

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/holdfast-go/holdfast/core"
)

// tidy removes what a Write replaced. It has nothing to do with whether that
// succeeded, and is tried again by the next one.
func (s *Store) tidy(ctx context.Context) {
	if err := s.collect(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, core.ErrClosed) {
		s.record.failed(err)
	}
}

// collect removes what no head names: generations and large values that were
// replaced, or never finished. The caller has the turn.
func (s *Store) collect(ctx context.Context) error {
	v, err := s.db.view()
	if err != nil {
		return err
	}
	defer v.discard()
	for _, kind := range []byte{kindStale, kindOrphan} {
		var marks [][]byte
		err := v.keys([]byte{kind}, func(key []byte) bool {
			if known(key) {
				marks = append(marks, append([]byte(nil), key...))
			}
			return true
		})
		if err != nil {
			return err
		}
		for _, mark := range marks {
			if err := s.remove(ctx, v, mark); err != nil {
				return err
			}
		}
	}
	if err := s.remove(ctx, v, []byte{kindRedo}); err != nil {
		return err
	}
	s.garbage = false
	return nil
}

// remove deletes what a mark speaks of, and then the mark.
func (s *Store) remove(ctx context.Context, v *view, mark []byte) error {
	if len(mark) == 1 {
		// All that was to be made was made when the store was opened.
		return s.removeBelow(ctx, v, [][]byte{mark}, &change{})
	}
	id, generation, rest := scopeOf(mark)
	prefixes := [][]byte{scope(kindRecord, id, generation), scope(kindBlob, id, generation), scope(kindOrphan, id, generation)}
	if mark[0] == kindOrphan {
		prefixes = [][]byte{blobKey(id, generation, binary.BigEndian.Uint64(rest))}
	} else if b := s.buckets[id]; b != nil && b.head.generation == generation {
		prefixes = nil // it is the bucket's own; the mark is damage
	}
	c := &change{}
	if err := s.removeBelow(ctx, v, prefixes, c); err != nil {
		return err
	}
	c.delete(mark)
	return s.sweepOut(ctx, c)
}

// removeBelow deletes all keys with one of the prefixes.
func (s *Store) removeBelow(ctx context.Context, v *view, prefixes [][]byte, c *change) error {
	for _, prefix := range prefixes {
		var failed error
		err := v.keys(prefix, func(key []byte) bool {
			if !s.db.fits(c, len(key)) {
				failed = s.sweepOut(ctx, c)
			}
			c.delete(append([]byte(nil), key...))
			return failed == nil
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
	}
	return s.sweepOut(ctx, c)
}

func (s *Store) sweepOut(ctx context.Context, c *change) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-s.closing:
		return core.ErrClosed
	default:
	}
	err := s.db.commit(c)
	c.reset()
	return err
}
