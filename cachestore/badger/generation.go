package badger

import (
	"context"
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

// anew writes the bucket as it will be beside what is there, in as many
// transactions as that takes, and makes it the bucket with the last one. If it
// does not come so far, what it wrote is removed later.
func (w *writing) anew(ctx context.Context) error {
	s := w.store
	g := &generation{writing: w, ctx: ctx, fresh: &bucket{
		id: w.id, loaded: true, index: make(map[uint64]uint64, len(w.put)), blobs: make(map[uint64]blob),
	}}
	w.head = head{generation: 1}
	if w.old != nil {
		w.head.generation = w.old.head.generation + 1
	}
	if !w.reset && w.old != nil {
		w.head.lost = w.stillLost()
	}
	g.seal = newSealer(w.id, w.head.generation)
	w.changes = []func(*bucket){func(b *bucket) { *b = *g.fresh; b.head = w.head }}
	if err := g.fill(); err != nil {
		return err
	}
	if w.old != nil {
		g.c.set(staleKey(w.id, w.old.head.generation), []byte{})
		s.garbage = true
	}
	if g.marked {
		g.c.delete(staleKey(w.id, w.head.generation))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.finish(ctx, &g.c, nil); err != nil {
		return err
	}
	s.record.healed(w.name)
	return nil
}

// stillLost is how many lost records this Write does not replace.
func (w *writing) stillLost() uint64 {
	b := w.old
	lost := b.lost()
	replaced := func(key string) {
		if _, bad := b.bad[w.hash(key)]; bad && lost > 0 {
			lost--
		}
	}
	for _, r := range w.put {
		replaced(r.Key)
	}
	for key := range w.delete {
		replaced(key)
	}
	return lost
}

// generation is a generation of a bucket that is being written.
type generation struct {
	*writing
	ctx    context.Context
	fresh  *bucket
	seal   *sealer
	c      change
	marked bool
}

func (g *generation) fill() error {
	if !g.reset && g.old != nil && !g.old.untrusted {
		if err := g.copy(); err != nil {
			return err
		}
	}
	for _, r := range g.put {
		e := entry{revision: r.Revision, savedAt: r.SavedAt, value: r.Value}
		if err := g.write(r.Key, e); err != nil {
			return err
		}
	}
	return nil
}

// copy takes over the good records that the batch does not replace.
func (g *generation) copy() error {
	v, err := g.store.db.view()
	if err != nil {
		return err
	}
	defer v.discard()
	replaced := make(map[string]struct{}, len(g.put))
	for _, r := range g.put {
		replaced[r.Key] = struct{}{}
	}
	from := newSealer(g.id, g.old.head.generation)
	var last []byte
	for {
		var page []core.Record
		var found []entry
		err := v.scan(from.scope, last, func(key, envelope []byte) bool {
			last = append(last[:0], key...)
			name := string(key[len(from.scope):])
			_, deleted := g.delete[name]
			_, put := replaced[name]
			if deleted || put {
				return true
			}
			e, err := from.open(name, append([]byte(nil), envelope...))
			if want, ok := g.old.expected(g.hash(name)); err == nil && ok && want == e.sum {
				page = append(page, core.Record{Key: name})
				found = append(found, e)
			}
			return len(page) < pageRecords
		})
		if err != nil {
			return err
		}
		for i, e := range found {
			r, err := recordOf(v, g.id, g.old.head.generation, page[i].Key, e)
			if err != nil {
				return fmt.Errorf("copy a bucket: %w", err)
			}
			e.value, e.blob = r.Value, nil
			if err := g.write(page[i].Key, e); err != nil {
				return err
			}
		}
		if len(page) < pageRecords {
			return g.short()
		}
	}
}

// short reports records that were there when the bucket was loaded and are not
// now.
func (g *generation) short() error {
	want := g.old.head.count - min(uint64(len(g.old.bad)), g.old.head.count)
	gone := uint64(0)
	for key := range g.delete {
		if _, there := g.old.index[g.hash(key)]; there {
			gone++
		}
	}
	for _, r := range g.put {
		if _, there := g.old.index[g.hash(r.Key)]; there {
			gone++
		}
	}
	if have := g.head.count + gone; have < want {
		g.head.lost += want - have
	}
	return nil
}

// write adds a record to the generation.
func (g *generation) write(key string, e entry) error {
	if len(e.value) > inlineValue {
		value := e.value
		e.blob, e.value = newBlob(value), nil
		if err := e.blob.parts(g.id, g.head.generation, value, g.put1); err != nil {
			return err
		}
	}
	envelope := g.seal.seal(key, &e)
	if err := g.put1(recordKey(g.id, g.head.generation, key), envelope); err != nil {
		return err
	}
	g.head.add(e.sum)
	g.fresh.note(g.hash(key), e)
	return nil
}

// put1 adds one key, and commits what came before if there is no room for it.
func (g *generation) put1(key, value []byte) error {
	if !g.store.db.fits(&g.c, len(key)+len(value)) {
		if err := g.flush(); err != nil {
			return err
		}
	}
	g.c.set(key, value)
	return nil
}

func (g *generation) flush() error {
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	select {
	case <-g.store.closing:
		return core.ErrClosed
	default:
	}
	if !g.marked {
		mark := &change{}
		mark.set(staleKey(g.id, g.head.generation), []byte{})
		if err := g.store.db.commit(mark); err != nil {
			return err
		}
		g.marked = true
		g.store.garbage = true
	}
	if err := g.store.room(0); err != nil {
		return err
	}
	if err := g.store.db.commit(&g.c); err != nil {
		return err
	}
	g.c.reset()
	return nil
}
