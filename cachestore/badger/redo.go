package badger

import (
	"context"
	"encoding/binary"
)

// redo makes a change that is too large for one transaction: it stores what is to
// be done in as many as that takes, says so in the head of the bucket, which is
// the moment that counts, and does it. A start after a death in between does the
// rest.
func (w *writing) redo(ctx context.Context, c *change) error {
	s := w.store
	s.garbage = true
	steps := c.split()
	for n, step := range steps {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		one := &change{}
		one.set(redoKey(w.id, w.head.generation, uint32(n)), step.encode(w.id))
		if err := s.db.commit(one); err != nil {
			return err
		}
	}
	w.head.redo = uint64(len(steps))
	return w.finish(ctx, &change{}, func(b *bucket) error { return s.makeUp(b, steps) })
}

// makeUp does what was stored and clears the mark in the head. The caller holds
// mu, or nobody else has the store yet.
func (s *Store) makeUp(b *bucket, steps []*change) error {
	for n, step := range steps {
		step.delete(redoKey(b.id, b.head.generation, uint32(n)))
		if err := s.db.commit(step); err != nil {
			b.forget() // what is there is the old and the new mixed
			b.judgeLost()
			return err
		}
	}
	h, heads := b.head, s.heads
	h.redo = 0
	encoded := h.encode(b.id)
	heads.take(b.stamp)
	heads.add(mixOf(encoded))
	c := &change{}
	c.set(headKey(b.id), encoded)
	c.set(storeKey(), storeHead{seq: s.seq, heads: heads}.encode())
	if err := s.db.commit(c); err != nil {
		return err
	}
	b.head, b.stamp, s.heads = h, mixOf(encoded), heads
	return nil
}

// judgeLost makes a bucket one of which nothing is served, until the store is
// opened again or it is written with Reset.
func (b *bucket) judgeLost() {
	b.index, b.blobs, b.bad = make(map[uint64]uint64), make(map[uint64]blob), make(map[uint64]struct{})
	b.loaded, b.untrusted, b.gone = true, true, max(b.head.count, 1)
}

// redoAll does what a process died over. A step that is damaged is left out, and
// the head tells.
func (s *Store) redoAll(v *view) error {
	for _, b := range s.buckets {
		if b.head.redo == 0 {
			continue
		}
		var steps []*change
		for n := range b.head.redo {
			stored, err := v.get(redoKey(b.id, b.head.generation, uint32(n)))
			if err != nil {
				return err
			}
			if stored == nil {
				steps = append(steps, &change{}) // it was done
				continue
			}
			step, err := decodeChange(b.id, stored)
			if err != nil {
				step = &change{}
			}
			steps = append(steps, step)
		}
		if err := s.makeUp(b, steps); err != nil {
			return err
		}
	}
	return nil
}

const stepSize = 128 << 10

// split returns the parts of c that each fit into a transaction, stored as one
// value.
func (c *change) split() []*change {
	var all []*change
	part := &change{}
	next := func(more int) *change {
		if part.count() == 0 || part.size+int64(more) > stepSize || part.count() >= 1000 {
			part = &change{}
			all = append(all, part)
		}
		return part
	}
	for _, p := range c.sets {
		next(len(p.key)+len(p.value)).set(p.key, p.value)
	}
	for _, k := range c.deletes {
		next(len(k)).delete(k)
	}
	return all
}

func (c *change) encode(id bucketID) []byte {
	b := binary.AppendUvarint(make([]byte, 0, c.size+64), uint64(len(c.sets)))
	field := func(f []byte) { b = append(binary.AppendUvarint(b, uint64(len(f))), f...) }
	for _, p := range c.sets {
		field(p.key)
		field(p.value)
	}
	for _, k := range c.deletes {
		field(k)
	}
	return stamp(kindRedo, id[:], b)
}

func decodeChange(id bucketID, b []byte) (*change, error) {
	b, err := stamped(kindRedo, id[:], b)
	if err != nil {
		return nil, err
	}
	c := &change{}
	sets, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errHead
	}
	b = b[n:]
	field := func() []byte {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			err = errHead
			return nil
		}
		f := b[n : n+int(size)]
		b = b[n+int(size):]
		return f
	}
	for i := uint64(0); err == nil && len(b) > 0; i++ {
		key := field()
		if !known(key) {
			err = errHead
		}
		if i < sets {
			c.set(key, field())
		} else {
			c.delete(key)
		}
	}
	return c, err
}
