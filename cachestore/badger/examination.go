package badger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"slices"

	"github.com/holdfast-go/holdfast/core"
)

// examine reads the folder once. The witness comes first: whatever it knows of was
// in Badger's files before.
func examine(ctx context.Context, f *folder, keys [][]byte, seed maphash.Seed) (*Inspection, error) {
	i := &Inspection{all: make(map[bucketID]*bucket), buckets: make(map[string]*bucket), content: &snapshot{}}
	w, err := readWitness(f.root)
	if err != nil {
		return nil, err
	}
	before, err := readMarker(f.root)
	if err != nil {
		return nil, err
	}
	i.aside = append(f.aside(asideCorrupt), f.aside(asideNewer)...)
	data := dataName
	switch before {
	case stageSwap:
		if _, err := f.root.Lstat(dataName); errors.Is(err, fs.ErrNotExist) {
			data = freshName
		}
	case stageAgain, stageAside:
		i.damage = errors.New("reading the store ended a process twice; the next start puts it aside")
		i.gone = i.damage.Error()
		return i, nil
	case stageOpen, stageSalvage:
		i.notes = append(i.notes, "a process is opening the store, or died when it did; in the second case the next start makes a copy")
	}
	found, err := takeSurvey(f.path(data), keys)
	if errors.Is(err, errKey) {
		if !w.whole || w.keyID == [keyIDSize]byte{} || !slices.ContainsFunc(keys, func(k []byte) bool { return keyID(k) == w.keyID }) {
			i.found, i.refused = []Bucket{{Place: data, Encrypted: true, Err: failure("inspect", "", core.ErrDenied, errKey)}}, errKey
			return i, nil
		}
		found.damage, err = errRegistry, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case found.newer:
		i.found, i.gone = []Bucket{{Place: data, Err: failure("inspect", "", core.ErrUnavailable, errNewer)}}, errNewer.Error()
		return i, nil
	case found.empty && w.seq > 0:
		i.damage = fmt.Errorf("the folder %s is missing or empty, and %d writes to it were acknowledged", data, w.seq)
		i.gone = i.damage.Error()
		return i, nil
	case found.empty:
		return i, nil
	}
	i.damage = found.damage
	if i.damage == nil && found.seq < w.seq {
		i.damage = fmt.Errorf("%d acknowledged writes are missing from the files that the manifest names", w.seq-found.seq)
	}
	orphans := found.manifest == nil || found.seq < w.seq
	if i.content, err = takeSnapshot(ctx, found, orphans); err != nil {
		return nil, err
	}
	_, i.encrypted = found.usedKey()
	if why := i.judge(w, seed); why != nil && i.damage == nil {
		i.damage = why
	}
	return i, nil
}

// describe makes what a person is told of the buckets.
func (i *Inspection) describe() {
	for id, b := range i.all {
		place := fmt.Sprintf("%x", id[:8])
		if b.broken {
			i.found = append(i.found, Bucket{Place: place, Encrypted: i.encrypted, Err: lossy("inspect", place, 1, "nothing tells what it was")})
			continue
		}
		prefix := scope(kindRecord, id, b.head.generation)
		blobs := scope(kindBlob, id, b.head.generation)
		it := Bucket{
			Name: b.head.name, Place: place, Seq: b.head.seq, Saved: b.head.written, Encrypted: i.encrypted,
			Bytes: i.content.stored(prefix) + i.content.stored(blobs),
		}
		lost := i.content.records(b, func(core.Record) bool { it.Records++; return true })
		if lost > 0 {
			it.Err = lossy("inspect", cmp.Or(it.Name, place), lost, b.why())
		} else {
			it.Sum = fmt.Sprintf("%016x", b.head.mix)
		}
		i.found = append(i.found, it)
		if it.Name != "" {
			i.buckets[it.Name] = b
		}
	}
	slices.SortFunc(i.found, func(a, b Bucket) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Place, b.Place))
	})
}

// judge makes the buckets as a start would have them, their records loaded and
// compared with what should be there. The error says what is wrong with the whole.
func (i *Inspection) judge(w *witness, seed maphash.Seed) (why error) {
	all := i.all
	var store storeHead
	if b := i.content.values[string(storeKey())]; b != nil {
		store, _ = decodeStoreHead(b) // without one nothing is vouched for
	}
	var heads tally
	_ = i.content.scan([]byte{kindHead}, nil, func(key, value []byte) bool { // a snapshot has no error
		id := bucketID(key[1:])
		h, err := decodeHead(id, value)
		b := &bucket{id: id, head: h, broken: err != nil}
		if !b.broken {
			b.stamp = mixOf(value)
			heads.add(b.stamp)
		}
		all[id] = b
		return true
	})
	vouched := heads == store.heads && len(all) == int(heads.count)
	switch {
	case w.seq > store.seq:
		why = fmt.Errorf("%d acknowledged writes are missing", w.seq-store.seq)
	case !vouched:
		why = errors.New("heads of buckets are missing or damaged")
	case !w.whole && store.seq > 0:
		why = fmt.Errorf("the file %s is missing or damaged; the next start makes it anew", witnessName)
	}
	latest := w.latest()
	audited := w.seq > store.seq || !vouched
	for id, b := range all {
		newest, known := latest[id]
		switch {
		case b.broken:
			b.judgeLost()
			continue
		case audited && (!w.covers(store.seq) || !b.current(newest, known, heads == store.heads)):
			b.judgeLost()
			continue
		}
		i.content.finish(b)
		_ = b.load(i.content, seed) // likewise
		b.check(i.content)
	}
	if audited {
		i.gone = "there may have been more buckets than are left: " + why.Error()
		for id := range latest {
			if _, there := all[id]; !there {
				all[id] = &bucket{id: id, broken: true}
				all[id].judgeLost()
			}
		}
	}
	return why
}

// finish makes up for what a process died over.
func (s *snapshot) finish(b *bucket) {
	for n := range b.head.redo {
		stored := s.values[string(redoKey(b.id, b.head.generation, uint32(n)))]
		if step, err := decodeChange(b.id, stored); stored != nil && err == nil {
			s.apply(step)
		}
	}
	if b.head.redo > 0 {
		s.sort()
	}
}

// check reads the values that stand elsewhere, and takes a record for damaged
// whose value is.
func (b *bucket) check(v reader) {
	for h, large := range b.blobs {
		if _, err := large.read(v, b.id, b.head.generation); err != nil {
			delete(b.index, h)
			delete(b.blobs, h)
			b.gone++
		}
	}
}

// records calls yield for each good record of a bucket that was loaded until it
// returns false, and returns how many are lost.
func (s *snapshot) records(b *bucket, yield func(core.Record) bool) (lost uint64) {
	if b.untrusted {
		return b.lost()
	}
	seal := newSealer(b.id, b.head.generation)
	_ = s.scan(seal.scope, nil, func(key, envelope []byte) bool { // a snapshot has no error
		name := string(key[len(seal.scope):])
		e, err := seal.open(name, append([]byte(nil), envelope...))
		if err != nil {
			return true
		}
		r, err := recordOf(s, b.id, b.head.generation, name, e)
		return err != nil || yield(r)
	})
	return b.lost()
}
