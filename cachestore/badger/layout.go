package badger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The first byte of a key in Badger says what it is. The order of these bytes
// puts the head of the store before everything else.
const (
	kindStore  = 0x01 // the head of the store, one key
	kindHead   = 'H'  // bucket: its head
	kindRecord = 'R'  // bucket, generation, key: a record
	kindBlob   = 'B'  // bucket, generation, blob, part: a part of a large value
	kindRedo   = 'J'  // bucket, generation, number: changes of a batch to be made
	kindStale  = 'G'  // bucket, generation: to be removed unless the head names it
	kindOrphan = 'O'  // bucket, generation, blob: likewise
)

const (
	longestName = 1 << 10

	idSize         = 16
	generationSize = 8
	blobSize       = 8
	partSize       = 4
)

// bucketID stands for a bucket in keys, whatever it is called.
type bucketID [idSize]byte

func idOf(bucket string) bucketID {
	sum := sha256.Sum256([]byte(bucket))
	return bucketID(sum[:idSize])
}

func storeKey() []byte { return []byte{kindStore} }

func headKey(id bucketID) []byte { return append([]byte{kindHead}, id[:]...) }

// scope is the prefix of what one generation of a bucket holds of a kind.
func scope(kind byte, id bucketID, generation uint64) []byte {
	return scoped(kind, id, generation, 0)
}

// scoped is scope with room for more.
func scoped(kind byte, id bucketID, generation uint64, more int) []byte {
	k := make([]byte, 0, 1+idSize+generationSize+more)
	k = append(append(k, kind), id[:]...)
	return binary.BigEndian.AppendUint64(k, generation)
}

func recordKey(id bucketID, generation uint64, key string) []byte {
	return append(scoped(kindRecord, id, generation, len(key)), key...)
}

// blobKey is the prefix of the parts of one value.
func blobKey(id bucketID, generation, blob uint64) []byte {
	return binary.BigEndian.AppendUint64(scoped(kindBlob, id, generation, blobSize+partSize), blob)
}

func partKey(id bucketID, generation, blob uint64, part uint32) []byte {
	return binary.BigEndian.AppendUint32(blobKey(id, generation, blob), part)
}

func staleKey(id bucketID, generation uint64) []byte { return scope(kindStale, id, generation) }

func redoKey(id bucketID, generation uint64, n uint32) []byte {
	return binary.BigEndian.AppendUint32(scoped(kindRedo, id, generation, partSize), n)
}

func orphanKey(id bucketID, generation, blob uint64) []byte {
	return binary.BigEndian.AppendUint64(scope(kindOrphan, id, generation), blob)
}

// known reports whether a key has one of the forms above.
func known(key []byte) bool {
	const start = 1 + idSize + generationSize
	if len(key) == 0 {
		return false
	}
	switch key[0] {
	case kindStore:
		return len(key) == 1
	case kindHead:
		return len(key) == 1+idSize
	case kindRecord:
		return len(key) > start && len(key) <= start+longestName
	case kindBlob:
		return len(key) == start+blobSize+partSize
	case kindRedo:
		return len(key) == start+partSize
	case kindStale:
		return len(key) == start
	case kindOrphan:
		return len(key) == start+blobSize
	}
	return false
}

// scopeOf takes a key of a generation apart.
func scopeOf(key []byte) (id bucketID, generation uint64, rest []byte) {
	id = bucketID(key[1 : 1+idSize])
	return id, binary.BigEndian.Uint64(key[1+idSize:]), key[1+idSize+generationSize:]
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return errors.New("the name of the " + what + " is empty")
	case len(name) > longestName:
		return fmt.Errorf("the name of the %s has %d bytes; %d are allowed", what, len(name), longestName)
	}
	return nil
}
