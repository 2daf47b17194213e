package badger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// The first byte of an envelope is the version, and whether the value stands
	// in parts of its own.
	envelopeVersion = 1
	flagBlob        = 1 << 7

	sumSize       = 16
	envelopeStart = 1 + 8             // version and flags, checksum
	smallest      = envelopeStart + 2 // and the time, and no revision

	longestRevision = 4 << 10
)

var errEnvelope = errors.New("a record does not match its checksum")

// sum is a truncated SHA-256.
type sum [sumSize]byte

// blob says where a large value is and what it must be.
type blob struct {
	id   uint64
	size uint64
	sum  sum
}

// entry is what the envelope of a record holds.
type entry struct {
	revision core.Revision
	savedAt  time.Time
	value    []byte // of a decoded entry: a part of the envelope
	blob     *blob  // instead of value
	sum      uint64 // what the SHA-256 of the record begins with
}

// size is how long the value is.
func (e entry) size() uint64 {
	if e.blob != nil {
		return e.blob.size
	}
	return uint64(len(e.value))
}

// sealer makes and checks the envelopes of one generation of a bucket. The
// checksum covers where a record belongs, so that one in the wrong place is as
// wrong as one with a changed byte. It is not safe for concurrent use.
type sealer struct {
	scope   []byte
	hash    hash.Hash
	scratch [sha256.Size]byte
}

func newSealer(id bucketID, generation uint64) *sealer {
	return &sealer{scope: scope(kindRecord, id, generation), hash: sha256.New()}
}

// seal returns the envelope of a record and sets its checksum in e.
func (s *sealer) seal(key string, e *entry) []byte {
	size := envelopeStart + 2*binary.MaxVarintLen64 + len(e.revision) + len(e.value)
	if e.blob != nil {
		size += 2*8 + sumSize
	}
	b := make([]byte, envelopeStart, size)
	b[0] = envelopeVersion
	b = binary.AppendVarint(b, e.savedAt.UnixMicro())
	b = binary.AppendUvarint(b, uint64(len(e.revision)))
	b = append(b, e.revision...)
	if e.blob == nil {
		b = append(b, e.value...)
	} else {
		b[0] |= flagBlob
		b = binary.BigEndian.AppendUint64(b, e.blob.id)
		b = binary.BigEndian.AppendUint64(b, e.blob.size)
		b = append(b, e.blob.sum[:]...)
	}
	e.sum = s.checksum(key, b)
	binary.BigEndian.PutUint64(b[1:], e.sum)
	return b
}

func (s *sealer) checksum(key string, envelope []byte) uint64 {
	s.hash.Reset()
	s.hash.Write(s.scope)
	s.hash.Write(binary.BigEndian.AppendUint16(s.scratch[:0], uint16(len(key))))
	s.hash.Write([]byte(key))
	s.hash.Write(envelope[:1])
	s.hash.Write(envelope[envelopeStart:])
	return binary.BigEndian.Uint64(s.hash.Sum(s.scratch[:0]))
}

// open checks an envelope. What it returns shares the bytes of b. With the
// error errEnvelope comes the checksum that the envelope claims, if it can be
// read.
func (s *sealer) open(key string, b []byte) (entry, error) {
	var e entry
	if len(b) < smallest {
		return e, errEnvelope
	}
	e.sum = binary.BigEndian.Uint64(b[1:])
	if b[0]&^flagBlob != envelopeVersion || s.checksum(key, b) != e.sum {
		return e, errEnvelope
	}
	return decodePayload(e, b[0]&flagBlob != 0, b[envelopeStart:])
}

// decodePayload trusts nothing, although the checksum was right: what wrote it
// may have been another program.
func decodePayload(e entry, large bool, p []byte) (entry, error) {
	at, used := binary.Varint(p)
	if used <= 0 {
		return e, errEnvelope
	}
	e.savedAt = time.UnixMicro(at).UTC()
	p = p[used:]
	n, used := binary.Uvarint(p)
	if used <= 0 || n > longestRevision || n > uint64(len(p)-used) {
		return e, errEnvelope
	}
	e.revision = core.Revision(p[used : used+int(n)])
	p = p[used+int(n):]
	if !large {
		e.value = p
		return e, nil
	}
	if len(p) != 16+sumSize {
		return e, errEnvelope
	}
	e.blob = &blob{id: binary.BigEndian.Uint64(p), size: binary.BigEndian.Uint64(p[8:]), sum: sum(p[16:])}
	return e, nil
}

func sumOf(value []byte) sum {
	full := sha256.Sum256(value)
	return sum(full[:sumSize])
}
