package badger

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strconv"
)

// errLog says that a log ends in something that no process writes that dies.
var errLog = errors.New("a log of a memory table is damaged")

const (
	logHeader = 20 // id of the data key, and 12 bytes of a vector

	inTransaction  = 1 << 6
	endTransaction = 1 << 7
)

// readLog calls do for each entry of the whole transactions of a memory table's
// log, as Badger does when it opens one. What follows the last whole transaction
// is dropped: it was not acknowledged, or the witness knows of it. An end that
// Badger could stumble over is errLog.
func readLog(data []byte, keys func(id uint64) (cipher.Block, error), do func(item) bool) error {
	if len(data) < logHeader {
		return errLog
	}
	key, err := keys(binary.BigEndian.Uint64(data))
	if err != nil {
		return err
	}
	var pending []item
	for at := logHeader; ; {
		e, size, ok := readEntry(data, at, key)
		if !ok {
			return suspicious(data[at:])
		}
		at += size
		switch {
		case e.meta&inTransaction != 0:
			if len(pending) > 0 && pending[0].at != e.at {
				return nil
			}
			pending = append(pending, e)
		case e.meta&endTransaction != 0:
			n, err := strconv.ParseUint(string(e.value), 10, 64)
			if err != nil || (len(pending) > 0 && pending[0].at != n) {
				return nil
			}
			for _, p := range pending {
				p.meta &^= inTransaction
				if !do(p) {
					return nil
				}
			}
			pending = pending[:0]
		default:
			if len(pending) > 0 {
				return nil
			}
			if !do(e) {
				return nil
			}
		}
	}
}

// readEntry reads the entry at an offset; false if there is no whole one.
func readEntry(data []byte, at int, key cipher.Block) (it item, size int, ok bool) {
	h, ok := readEntryHeader(data[at:])
	if !ok || h.keySize == 0 {
		return item{}, 0, false
	}
	end := h.size + h.keySize + h.valueSize // each is below 2^32
	if end+crc32.Size > uint64(len(data)-at) {
		return item{}, 0, false
	}
	e := data[at : at+int(end)]
	if crc32.Checksum(e, castagnoli) != binary.BigEndian.Uint32(data[at+int(end):]) {
		return item{}, 0, false
	}
	content := e[h.size:]
	if key != nil {
		iv := binary.BigEndian.AppendUint32(append(make([]byte, 0, 16), data[8:logHeader]...), uint32(at))
		plain := make([]byte, len(content))
		cipher.NewCTR(key, iv).XORKeyStream(plain, content)
		content = plain
	}
	plain, version, ok := versioned(content[:h.keySize])
	if !ok {
		return item{}, 0, false
	}
	return item{key: plain, at: version, meta: e[0], value: content[h.keySize:]}, int(end) + crc32.Size, true
}

type entryHeader struct{ size, keySize, valueSize uint64 }

func readEntryHeader(b []byte) (h entryHeader, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.size = 2
	for _, field := range []*uint64{&h.keySize, &h.valueSize, new(uint64)} {
		v, n := binary.Uvarint(b[h.size:])
		if n <= 0 {
			return h, false
		}
		*field = v
		h.size += uint64(n)
	}
	return h, h.keySize < 1<<32 && h.valueSize < 1<<32
}

// suspicious looks at what follows the last whole entry. Badger believes the
// lengths that it finds there, and asks for as much memory. No entry of this
// package is as long as a log.
func suspicious(b []byte) error {
	const longest = 2 * memTableSize
	h, ok := readEntryHeader(b)
	if len(b) >= 22 && !ok {
		return errLog
	}
	if h.keySize > longest || h.valueSize > longest {
		return errLog
	}
	return nil
}
