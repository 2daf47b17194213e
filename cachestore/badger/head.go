package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

const headVersion = 1

var (
	errHead  = errors.New("a head does not match its checksum")
	errNewer = errors.New("it was written by a newer version of this package")
)

// tally counts records and mixes what their checksums begin with, so that a set
// of records can be compared with what it should be, and one record added or
// taken away without looking at the others.
type tally struct {
	count uint64
	mix   uint64
}

func (t *tally) add(short uint64) {
	t.count++
	t.mix ^= short
}

func (t *tally) take(short uint64) {
	t.count--
	t.mix ^= short
}

// head is what a bucket must hold. It is written in the same transaction as the
// records that it counts.
type head struct {
	name       string // "" for a bucket of which nothing is left but its id
	generation uint64
	tally
	lost    uint64 // records that were lost before and not written over
	redo    uint64 // changes that are still to be made
	seq     uint64 // of the store, when the bucket was written last
	written time.Time
}

func (h head) encode(id bucketID) []byte {
	b := make([]byte, 0, 1+7*8+len(h.name)+sumSize)
	b = append(b, headVersion)
	for _, n := range []uint64{h.generation, h.count, h.mix, h.lost, h.seq, uint64(h.written.Unix()), h.redo} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, h.name...)
	return stamp(kindHead, id[:], b)
}

func decodeHead(id bucketID, b []byte) (head, error) {
	b, err := stamped(kindHead, id[:], b)
	if err != nil {
		return head{}, err
	}
	if b[0] != headVersion {
		return head{}, errNewer
	}
	const fixed = 1 + 7*8
	if len(b) < fixed || len(b) > fixed+longestName {
		return head{}, errHead
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	h := head{
		name: string(b[fixed:]), generation: n(0), lost: n(3), seq: n(4), redo: n(6),
		tally:   tally{count: n(1), mix: n(2)},
		written: time.Unix(int64(n(5)), 0).UTC(),
	}
	if h.name != "" && idOf(h.name) != id {
		return head{}, errHead
	}
	return h, nil
}

// storeHead counts the writes to the whole store, and vouches for the heads of its
// buckets.
type storeHead struct {
	seq   uint64
	heads tally
}

func (h storeHead) encode() []byte {
	b := []byte{headVersion}
	for _, n := range []uint64{h.seq, h.heads.count, h.heads.mix} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return stamp(kindStore, nil, b)
}

func decodeStoreHead(b []byte) (storeHead, error) {
	b, err := stamped(kindStore, nil, b)
	if err != nil {
		return storeHead{}, err
	}
	if b[0] != headVersion {
		return storeHead{}, errNewer
	}
	if len(b) != 1+3*8 {
		return storeHead{}, errHead
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	return storeHead{seq: n(0), heads: tally{n(1), n(2)}}, nil
}

// mixOf is what the store's head knows of an encoded head.
func mixOf(encoded []byte) uint64 { return binary.BigEndian.Uint64(encoded[len(encoded)-sumSize:]) }

// stamp appends the checksum of b and of where it belongs.
func stamp(kind byte, id, b []byte) []byte { return append(b, stampOf(kind, id, b)...) }

func stampOf(kind byte, id, b []byte) []byte {
	h := sha256.New()
	h.Write([]byte{kind})
	h.Write(id)
	h.Write(b)
	return h.Sum(nil)[:sumSize]
}

// stamped returns b without its checksum, which must be right. There is at
// least one byte.
func stamped(kind byte, id, b []byte) ([]byte, error) {
	if len(b) <= sumSize {
		return nil, errHead
	}
	content, got := b[:len(b)-sumSize], b[len(b)-sumSize:]
	if !bytes.Equal(got, stampOf(kind, id, content)) {
		return nil, errHead
	}
	return content, nil
}
