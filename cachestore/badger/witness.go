package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// The witness is a small file beside Badger's folder that knows of each
// acknowledged write. Badger drops what is damaged at the end of its logs
// without a word, and a shortened manifest makes it an older store that is whole
// in itself: only something outside can tell.
//
// It is a ring: write n stands in slot n modulo the number of slots, with the
// bucket that it changed. Each slot has a checksum; one that is wrong is as if
// it were not there.
const (
	witnessName  = "witness"
	witnessMagic = "holdfast badger witness 1\n"

	slotSize  = 32 // sequence number, bucket, checksum
	slotCount = 120
	slotStart = 256
	keyIDSize = 8
)

type witness struct {
	file *os.File
	// seq is the greatest write that is known; recent says which bucket each of the
	// newest ones changed.
	seq    uint64
	recent map[uint64]bucketID
	// keyID names the key that the store is encrypted with; zero for none.
	keyID [keyIDSize]byte
	// whole says that the file was there and its start could be read.
	whole bool
}

// loadWitness reads the witness of a folder, and keeps it open to be written. What
// is damaged of it is left out.
func loadWitness(root *os.Root) (*witness, error) { return openWitness(root, os.O_RDWR) }

// readWitness reads the witness of a folder that is not to be changed.
func readWitness(root *os.Root) (*witness, error) {
	w, err := openWitness(root, os.O_RDONLY)
	if err == nil {
		w.release()
	}
	return w, err
}

func openWitness(root *os.Root, flags int) (*witness, error) {
	w := &witness{recent: make(map[uint64]bucketID)}
	f, err := root.OpenFile(witnessName, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, err
	}
	b := make([]byte, slotStart+slotCount*slotSize)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = f.Close()
		return nil, err
	}
	w.file = f
	w.decode(b[:n])
	return w, nil
}

func (w *witness) decode(b []byte) {
	// The start stands there twice.
	const half = slotStart / 2
	for i := range 2 {
		if len(b) < (i+1)*half {
			break
		}
		part := b[i*half:]
		if got := part[:len(w.start())]; bytes.HasPrefix(got, []byte(witnessMagic)) {
			id := [keyIDSize]byte(got[len(witnessMagic):])
			if bytes.Equal(got, (&witness{keyID: id}).start()) {
				w.keyID, w.whole = id, true
				break
			}
		}
	}
	for at := slotStart; at+slotSize <= len(b); at += slotSize {
		slot := b[at : at+slotSize]
		seq := binary.BigEndian.Uint64(slot)
		id := bucketID(slot[8:])
		if seq == 0 || !bytes.Equal(slot, slotOf(seq, id)) || slotAt(seq) != int64(at) {
			continue
		}
		w.recent[seq] = id
		w.seq = max(w.seq, seq)
	}
}

// start is what the file begins with.
func (w *witness) start() []byte {
	b := append([]byte(witnessMagic), w.keyID[:]...)
	full := sha256.Sum256(b)
	return append(b, full[:sumSize]...)
}

func slotAt(seq uint64) int64 { return slotStart + int64(seq%slotCount)*slotSize }

func slotOf(seq uint64, id bucketID) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, slotSize), seq)
	b = append(b, id[:]...)
	full := sha256.Sum256(b)
	return append(b, full[:8]...)
}

// renew replaces the file by one that knows nothing but seq.
func (w *witness) renew(root *os.Root, keyID [keyIDSize]byte, seq uint64) error {
	w.release()
	w.keyID, w.seq, w.whole = keyID, seq, true
	clear(w.recent)
	b := make([]byte, slotStart+slotCount*slotSize)
	copy(b, w.start())
	copy(b[slotStart/2:], w.start())
	if seq > 0 {
		copy(b[slotAt(seq):], slotOf(seq, bucketID{}))
	}
	if err := replaceFile(root, witnessName, b); err != nil {
		return err
	}
	var err error
	w.file, err = root.OpenFile(witnessName, os.O_RDWR, 0o600)
	return err
}

// note makes write seq known durably.
func (w *witness) note(seq uint64, id bucketID) error {
	if w.file == nil {
		return fs.ErrClosed
	}
	if _, err := w.file.WriteAt(slotOf(seq, id), slotAt(seq)); err != nil {
		return err
	}
	if err := syncData(w.file); err != nil {
		return err
	}
	w.seq = seq
	w.recent[seq] = id
	delete(w.recent, seq-slotCount)
	return nil
}

// latest returns the newest write to each bucket that is known of.
func (w *witness) latest() map[bucketID]uint64 {
	all := make(map[bucketID]uint64)
	for seq, id := range w.recent {
		if id != (bucketID{}) {
			all[id] = max(all[id], seq)
		}
	}
	return all
}

// covers reports whether each write after seq is known.
func (w *witness) covers(seq uint64) bool {
	if w.seq > seq+slotCount {
		return false
	}
	for s := seq + 1; s <= w.seq; s++ {
		if id, ok := w.recent[s]; !ok || id == (bucketID{}) {
			return false
		}
	}
	return true
}

func (w *witness) release() {
	if w.file != nil {
		_ = w.file.Close() // each write to it was synced
		w.file = nil
	}
}
