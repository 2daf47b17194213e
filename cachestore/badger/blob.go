package badger

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
)

// newBlob describes a value that is to be stored in parts. Its id is random, so
// that what an unfinished write left never mixes with another one.
func newBlob(value []byte) *blob {
	var id [8]byte
	_, _ = rand.Read(id[:]) // it never fails: crypto/rand ends the process instead
	return &blob{id: binary.BigEndian.Uint64(id[:]), size: uint64(len(value)), sum: sumOf(value)}
}

// parts calls do with a copy of each part of a value until it fails.
func (b blob) parts(id bucketID, generation uint64, value []byte, do func(key, part []byte) error) error {
	for n := uint32(0); len(value) > 0; n++ {
		size := min(len(value), partLength)
		if err := do(partKey(id, generation, b.id, n), bytes.Clone(value[:size])); err != nil {
			return err
		}
		value = value[size:]
	}
	return nil
}

// read returns a value that is stored in parts.
func (b blob) read(v reader, id bucketID, generation uint64) ([]byte, error) {
	value := make([]byte, 0, min(b.size, 1<<20))
	for n := uint32(0); uint64(len(value)) < b.size; n++ {
		part, err := v.get(partKey(id, generation, b.id, n))
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, errEnvelope
		}
		value = append(value, part...)
	}
	if uint64(len(value)) != b.size || sumOf(value) != b.sum {
		return nil, errEnvelope
	}
	return value, nil
}
