package badger

import "hash/maphash"

// bucket is what this process knows of a bucket. It is guarded by the store's mu.
type bucket struct {
	id     bucketID
	head   head
	stamp  uint64 // of the encoded head
	broken bool   // its head can't be read; no bucket stays so

	// loaded says that the records were compared with the head once, and that what
	// follows is known. From then on each read is checked against it.
	loaded bool
	// index has what the checksum of each good record begins with, by a hash of its
	// key.
	index map[uint64]uint64
	// blobs says which records have their value elsewhere.
	blobs map[uint64]blob
	// bad holds the keys of damaged records, as far as they can be told.
	bad map[uint64]struct{}
	// gone counts what is missing or damaged now, bad included, besides head.lost.
	gone uint64
	// untrusted says that no record of the bucket can be served: what is there does
	// not add up to the head, so that any of them may be older than it should be.
	untrusted bool
}

// lost is how many records are damaged or missing; 0 if the bucket is whole.
func (b *bucket) lost() uint64 { return b.head.lost + b.gone }

func (b *bucket) why() string {
	switch {
	case b.untrusted:
		return "what is there is not what was written last; a Write with Reset replaces it"
	case b.gone > 0:
		return "the others are whole; a Write of those, or with Reset, replaces them"
	}
	return "they were lost before; a Write with Reset heals the bucket"
}

// expected returns the beginning of the checksum of a record; false if there is
// none of that key.
func (b *bucket) expected(h uint64) (uint64, bool) {
	if b.untrusted {
		return 0, false
	}
	s, ok := b.index[h]
	return s, ok
}

// reader is a state of the whole store at one moment: Badger's view, or what was
// read of the files.
type reader interface {
	// get returns a value that is the caller's; nil if there is none.
	get(key []byte) ([]byte, error)
	// scan calls do for each key with the prefix, in order, from after the key from
	// on if that is given, until it returns false. Key and value are valid during the
	// call only, and not to be changed. Do must not call the store.
	scan(prefix, from []byte, do func(key, value []byte) bool) error
}

// load compares all records of the bucket with its head.
func (b *bucket) load(v reader, seed maphash.Seed) error {
	index := make(map[uint64]uint64, min(b.head.count, 1<<20))
	blobs, bad := make(map[uint64]blob), make(map[uint64]struct{})
	var good, claimed tally
	s := newSealer(b.id, b.head.generation)
	start := len(s.scope)
	err := v.scan(s.scope, nil, func(key, value []byte) bool {
		name := string(key[start:])
		h := maphash.String(seed, name)
		e, err := s.open(name, value)
		if err != nil {
			claimed.add(e.sum)
			bad[h] = struct{}{}
			return true
		}
		good.add(e.sum)
		index[h] = e.sum
		if e.blob != nil {
			blobs[h] = *e.blob
		}
		return true
	})
	if err != nil {
		return err
	}
	b.index, b.blobs, b.bad, b.loaded = index, blobs, bad, true
	b.judge(good, claimed)
	return nil
}

// judge compares what was found with the head.
func (b *bucket) judge(good, claimed tally) {
	want := b.head.tally
	b.gone, b.untrusted = 0, false
	together := tally{good.count + claimed.count, good.mix ^ claimed.mix}
	switch {
	case good == want && claimed.count == 0:
	case claimed.count > 0 && together == want:
		// Together with the damaged ones, whose checksums are readable, they add up:
		// each of the good ones is the newest.
		b.gone = claimed.count
	default:
		b.gone = max(want.count, 1)
		b.untrusted = true
		clear(b.index)
		clear(b.blobs)
	}
}

// forget drops what was learned by reading, to be read again.
func (b *bucket) forget() {
	b.loaded, b.untrusted, b.gone = false, false, 0
	b.index, b.blobs, b.bad = nil, nil, nil
}
