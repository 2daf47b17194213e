package badger

import (
	"context"
	"errors"
	"hash/maphash"

	"github.com/holdfast-go/holdfast/core"
)

// A page is what All reads before it yields: nothing of Badger is held while
// the caller's loop runs, so that it may do what it likes, Close included.
const (
	pageRecords = 256
	pageBytes   = 1 << 20
)

// pager reads a bucket as it was at one moment.
type pager struct {
	store  *Store
	view   reader
	live   *view // the same if it is Badger's
	id     bucketID
	head   head
	last   []byte // the key in Badger of the record read last
	good   tally
	failed uint64 // records that are damaged
	page   []core.Record
	end    bool
}

func (s *Store) all(ctx context.Context, name string, yield func(core.Record, error) bool) {
	const op = "all"
	if err := s.check(ctx, op, name); err != nil {
		yield(core.Record{}, err)
		return
	}
	p, err := s.pager(ctx, op, name)
	if err != nil {
		yield(core.Record{}, err)
		return
	}
	if p == nil {
		return
	}
	defer p.close()
	for !p.end {
		if err := p.next(); err != nil {
			yield(core.Record{}, classify(op, name, err))
			return
		}
		for _, r := range p.page {
			if ctx.Err() != nil {
				yield(core.Record{}, context.Cause(ctx))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	if lost := p.lost(); lost > 0 {
		err := lossy(op, name, lost, "the others are whole; a Write of those, or with Reset, replaces them")
		s.record.damaged(s.log, name, err)
		yield(core.Record{}, err)
	}
}

// pager begins a range; nil if there is nothing to yield.
func (s *Store) pager(ctx context.Context, op, name string) (*pager, error) {
	b, err := s.lockRead(ctx, op, name)
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	switch {
	case b == nil && s.gone != "":
		return nil, lossy(op, name, 1, s.gone)
	case b == nil:
		return nil, nil
	case b.untrusted:
		return nil, lossy(op, name, b.lost(), b.why())
	}
	v, live, err := s.reader()
	if err != nil {
		return nil, classify(op, name, err)
	}
	if live != nil {
		s.viewing.Lock()
		s.views[live] = struct{}{}
		s.viewing.Unlock()
	}
	return &pager{store: s, view: v, live: live, id: b.id, head: b.head}, nil
}

func (p *pager) close() {
	p.store.mu.RLock()
	defer p.store.mu.RUnlock()
	p.store.viewing.Lock()
	_, mine := p.store.views[p.live]
	delete(p.store.views, p.live)
	p.store.viewing.Unlock()
	if mine {
		p.live.discard()
	}
}

// next reads a page.
func (p *pager) next() error {
	s := p.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed || p.live != nil && s.db == nil {
		return core.ErrClosed
	}
	b := s.buckets[p.id]
	// What is known of each record counts as long as nothing was written since.
	strict := b != nil && b.loaded && b.head.seq == p.head.seq
	seal := newSealer(p.id, p.head.generation)
	p.page = p.page[:0]
	size := 0
	p.end = true
	var found []entry
	err := p.view.scan(seal.scope, p.last, func(key, envelope []byte) bool {
		p.last = append(p.last[:0], key...)
		name := string(key[len(seal.scope):])
		e, err := seal.open(name, append([]byte(nil), envelope...))
		if err == nil && strict {
			if want, ok := b.expected(maphash.String(s.seed, name)); !ok || want != e.sum {
				err = errEnvelope
			}
		}
		if err != nil {
			p.failed++
			return true
		}
		p.page = append(p.page, core.Record{Key: name, Value: e.value, Revision: e.revision, SavedAt: e.savedAt})
		found = append(found, e)
		size += int(e.size())
		if len(found) == pageRecords || size >= pageBytes {
			p.end = false
			return false
		}
		return true
	})
	if errors.Is(err, errPanicked) {
		p.end, err = true, nil // what follows is missing, and the tally tells
	}
	if err != nil {
		return err
	}
	return p.complete(found)
}

// complete adds values that stand elsewhere.
func (p *pager) complete(found []entry) error {
	kept := p.page[:0]
	for i, r := range p.page {
		if found[i].blob != nil {
			var err error
			r, err = recordOf(p.view, p.id, p.head.generation, r.Key, found[i])
			if errors.Is(err, errEnvelope) || errors.Is(err, errPanicked) {
				p.failed++
				continue
			}
			if err != nil {
				return err
			}
		}
		p.good.add(found[i].sum)
		kept = append(kept, r)
	}
	p.page = kept
	return nil
}

// lost is how many records were not yielded that should be there.
func (p *pager) lost() uint64 {
	if p.good == p.head.tally {
		return p.head.lost
	}
	missing := uint64(0)
	if p.head.count > p.good.count {
		missing = p.head.count - p.good.count
	}
	return p.head.lost + max(missing, p.failed, 1)
}
