package badger

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/dgraph-io/badger/v4/fb"
)

// Badger ends the process when a table does not have the form it expects: by a
// panic on a goroutine of its own, by log.Fatal, or by a fault. So this package
// reads each table before Badger does, with a reader that trusts no length.

var (
	errTable = errors.New("a table is damaged")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

const deleted = 1 << 0 // in the meta byte of an entry

// item is one version of one key, as it stands in a file of Badger. Its slices are
// valid until the next one is read.
type item struct {
	key   []byte // without the version
	at    uint64 // the version
	meta  byte
	value []byte
}

// versioned takes apart a key as Badger stores it.
func versioned(key []byte) (plain []byte, at uint64, ok bool) {
	if len(key) <= 8 {
		return nil, 0, false
	}
	cut := len(key) - 8
	return key[:cut], math.MaxUint64 - binary.BigEndian.Uint64(key[cut:]), true
}

// table is a table file in memory.
type table struct {
	data  []byte
	index *fb.TableIndex
	block cipher.Block // nil if it is not encrypted
}

// parseTable checks the end of a table and its index.
func parseTable(data []byte, key cipher.Block) (*table, error) {
	rest, sum, err := cutChecksum(data)
	if err != nil {
		return nil, err
	}
	rest, index, err := cutSized(rest)
	if err != nil {
		return nil, err
	}
	if !sum.matches(index) {
		return nil, fmt.Errorf("%w: its index does not match its checksum", errTable)
	}
	if index, err = decrypt(key, index); err != nil {
		return nil, err
	}
	t := &table{data: rest, block: key}
	err = guarded(func() error {
		t.index = fb.GetRootAsTableIndex(index, 0)
		if t.index.OffsetsLength() == 0 {
			return errTable
		}
		var o fb.BlockOffset
		for i := range t.index.OffsetsLength() {
			if !t.index.Offsets(&o, i) || len(o.KeyBytes()) <= 8 || uint64(o.Offset())+uint64(o.Len()) > uint64(len(rest)) {
				return errTable
			}
		}
		return nil
	})
	if err != nil {
		return nil, errTable
	}
	return t, nil
}

func (t *table) blocks() int { return t.index.OffsetsLength() }

// read calls do for each entry of a block until that returns false. It reads what
// can be read and returns an error if anything of the block is damaged.
func (t *table) read(i int, do func(item) bool) error {
	var o fb.BlockOffset
	t.index.Offsets(&o, i)
	data, err := decrypt(t.block, t.data[o.Offset():o.Offset()+o.Len()])
	if err != nil {
		return err
	}
	content, sum, err := cutChecksum(data)
	if err != nil {
		return err
	}
	if !sum.matches(content) {
		err = fmt.Errorf("%w: a block does not match its checksum", errTable)
	}
	if do == nil {
		return err
	}
	if bad := entries(content, o.KeyBytes(), do); err == nil {
		err = bad
	}
	return err
}

// entries takes a block apart.
func entries(content, base []byte, do func(item) bool) error {
	if len(content) < 4 {
		return errTable
	}
	count := uint64(binary.BigEndian.Uint32(content[len(content)-4:]))
	if count*4 > uint64(len(content)-4) {
		return errTable
	}
	offsets := content[len(content)-4-int(count)*4 : len(content)-4]
	content = content[:len(content)-4-int(count)*4]
	var err error
	var key []byte
	for n := range int(count) {
		start, end := binary.NativeEndian.Uint32(offsets[4*n:]), uint32(len(content))
		if n+1 < int(count) {
			end = binary.NativeEndian.Uint32(offsets[4*n+4:])
		}
		const header = 4
		if uint64(start)+header > uint64(end) || uint64(end) > uint64(len(content)) {
			err = errTable
			continue
		}
		e := content[start:end]
		overlap, diff := int(binary.NativeEndian.Uint16(e)), int(binary.NativeEndian.Uint16(e[2:]))
		e = e[header:]
		if overlap > len(base) || diff > len(e) {
			err = errTable
			continue
		}
		key = append(append(key[:0], base[:overlap]...), e[:diff]...)
		it, ok := decodeItem(key, e[diff:])
		if !ok {
			err = errTable
			continue
		}
		if !do(it) {
			return err
		}
	}
	return err
}

func decodeItem(key, v []byte) (item, bool) {
	plain, at, ok := versioned(key)
	if !ok || len(v) < 3 {
		return item{}, false
	}
	_, n := binary.Uvarint(v[2:])
	if n <= 0 {
		return item{}, false
	}
	return item{key: plain, at: at, meta: v[0], value: v[2+n:]}, true
}

// checksum is a decoded pb.Checksum.
type checksum struct {
	algorithm, sum uint64
}

func (c checksum) matches(b []byte) bool {
	return c.algorithm == 0 && c.sum == uint64(crc32.Checksum(b, castagnoli))
}

// cutChecksum takes the checksum from the end of b.
func cutChecksum(b []byte) (rest []byte, c checksum, err error) {
	rest, p, err := cutSized(b)
	if err != nil {
		return nil, c, err
	}
	for len(p) > 0 {
		v, n := binary.Uvarint(p[1:])
		if n <= 0 {
			return nil, c, errTable
		}
		switch p[0] {
		case 1 << 3:
			c.algorithm = v
		case 2 << 3:
			c.sum = v
		default:
			return nil, c, errTable
		}
		p = p[1+n:]
	}
	return rest, c, nil
}

// cutSized takes a field from the end of b that is followed by its length.
func cutSized(b []byte) (rest, field []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errTable
	}
	size := uint64(binary.BigEndian.Uint32(b[len(b)-4:]))
	b = b[:len(b)-4]
	if size > uint64(len(b)) {
		return nil, nil, errTable
	}
	cut := len(b) - int(size)
	return b[:cut], b[cut:], nil
}

// decrypt returns b itself if there is no key. The vector stands at the end of b.
func decrypt(key cipher.Block, b []byte) ([]byte, error) {
	if key == nil {
		return b, nil
	}
	if len(b) < aes.BlockSize {
		return nil, errTable
	}
	cut := len(b) - aes.BlockSize
	plain := make([]byte, cut)
	cipher.NewCTR(key, b[cut:]).XORKeyStream(plain, b[:cut])
	return plain, nil
}
