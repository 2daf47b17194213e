package badger

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestEnvelope_HoldsAnyRecord(t *testing.T) {
	for _, row := range []struct {
		key string
		e   entry
	}{
		{"k", entry{value: []byte("v"), revision: "1", savedAt: time.Unix(1_700_000_000, 5678)}},
		{"../../etc/passwd", entry{value: nil}},
		{strings.Repeat("\x00", longestName), entry{value: []byte{0}, savedAt: time.Time{}}},
		{"\xff\xfe", entry{value: bytes.Repeat([]byte{0xff}, inlineValue), revision: core.Revision(strings.Repeat("r", longestRevision))}},
		{"future", entry{savedAt: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}},
		{"large", entry{blob: &blob{id: math.MaxUint64, size: 1 << 40, sum: sumOf([]byte("x"))}}},
	} {
		s := newSealer(idOf("b"), 7)
		sealed := s.seal(row.key, &row.e)
		got, err := s.open(row.key, sealed)
		if err != nil {
			t.Errorf("%.20q: %v", row.key, err)
			continue
		}
		if !bytes.Equal(got.value, row.e.value) || got.revision != row.e.revision || !got.savedAt.Equal(row.e.savedAt.Truncate(time.Microsecond)) || got.sum != row.e.sum {
			t.Errorf("%.20q came back as another record", row.key)
		}
		if row.e.blob != nil && *got.blob != *row.e.blob {
			t.Errorf("%.20q: its value is elsewhere than it was", row.key)
		}
		if len(sealed) > cap(sealed) || len(row.e.value) > 0 && len(sealed) > len(row.e.value)+len(row.e.revision)+smallest+12 {
			t.Errorf("%.20q: %d bytes", row.key, len(sealed))
		}
	}
}

func TestEnvelope_NoChangeIsOverlooked(t *testing.T) {
	e := entry{value: []byte("the value"), revision: "17", savedAt: time.Unix(1_700_000_000, 0)}
	s := newSealer(idOf("b"), 1)
	sealed := s.seal("key", &e)
	for at := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[at] ^= 1 << bit
			if _, err := s.open("key", bad); err == nil {
				t.Errorf("byte %d, bit %d: not noticed", at, bit)
			}
		}
		if _, err := s.open("key", sealed[:at]); err == nil {
			t.Errorf("cut at %d: not noticed", at)
		}
	}
	if _, err := s.open("other", sealed); err == nil {
		t.Error("under another key: not noticed")
	}
	if _, err := newSealer(idOf("b"), 2).open("key", sealed); err == nil {
		t.Error("in another generation: not noticed")
	}
	if _, err := newSealer(idOf("c"), 1).open("key", sealed); err == nil {
		t.Error("in another bucket: not noticed")
	}
}

func TestHead_NoChangeIsOverlooked(t *testing.T) {
	id := idOf("b")
	h := head{name: "b", generation: 3, tally: tally{4, 5}, lost: 6, redo: 7, seq: 8, written: time.Unix(9, 0).UTC()}
	encoded := h.encode(id)
	if got, err := decodeHead(id, encoded); err != nil || got != h {
		t.Fatalf("got %+v, %v", got, err)
	}
	store := storeHead{seq: 1, heads: tally{2, 3}}
	stored := store.encode()
	if got, err := decodeStoreHead(stored); err != nil || got != store {
		t.Fatalf("got %+v, %v", got, err)
	}
	for at := range encoded {
		bad := bytes.Clone(encoded)
		bad[at] ^= 1
		if _, err := decodeHead(id, bad); err == nil {
			t.Errorf("byte %d: not noticed", at)
		}
		if _, err := decodeHead(id, encoded[:at]); err == nil {
			t.Errorf("cut at %d: not noticed", at)
		}
	}
	for at := range stored {
		bad := bytes.Clone(stored)
		bad[at] ^= 1
		if _, err := decodeStoreHead(bad); err == nil {
			t.Errorf("byte %d of the store's: not noticed", at)
		}
	}
	if _, err := decodeHead(idOf("c"), encoded); err == nil {
		t.Error("of another bucket: not noticed")
	}
}

// FuzzEnvelope gives arbitrary bytes to all that decodes what Badger returns. What
// it accepts must be what it would write.
func FuzzEnvelope(f *testing.F) {
	s := newSealer(idOf("b"), 1)
	e := entry{value: []byte("the value"), revision: "17", savedAt: time.Unix(1_700_000_000, 0)}
	f.Add("key", s.seal("key", &e))
	e = entry{blob: newBlob([]byte("x"))}
	f.Add("key", s.seal("key", &e))
	f.Add("key", head{name: "b"}.encode(idOf("b")))
	f.Add("key", storeHead{seq: 1}.encode())
	c := &change{}
	c.set(headKey(idOf("b")), []byte("v"))
	c.delete(storeKey())
	f.Add("key", c.encode(idOf("b")))
	for _, key := range []string{"", "../../etc/passwd", "\x00", "\xff\xfe", "a\nb", strings.Repeat("n", longestName)} {
		whole := s.seal(key, &entry{value: []byte("\x00\xff\n"), revision: "\xfe", savedAt: time.Unix(1<<40, 0)})
		f.Add(key, whole)
		f.Add(key, whole[:len(whole)-1])
		f.Add(key+"x", whole)
	}
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		s := newSealer(idOf("b"), 1)
		if e, err := s.open(key, b); err == nil {
			if again := s.seal(key, &e); !bytes.Equal(again, b) {
				t.Errorf("accepted %x, which stands for %x", b, again)
			}
		}
		// With a right checksum as well: another program may have made it.
		if len(b) >= smallest && len(b) < 1<<12 {
			_, _ = decodePayload(entry{}, b[0] > 127, b[envelopeStart:])
		}
		id := idOf("b")
		for _, kind := range []byte{kindHead, kindStore, kindRedo} {
			right := stamp(kind, id[:], bytes.Clone(b))
			if kind == kindStore {
				right = stamp(kind, nil, bytes.Clone(b))
			}
			_, _ = decodeHead(id, right)
			_, _ = decodeStoreHead(right)
			_, _ = decodeChange(id, right)
		}
	})
}

// FuzzFiles gives arbitrary bytes to all that reads the files of a folder before
// Badger does.
func FuzzFiles(f *testing.F) {
	dir := f.TempDir()
	s := New(dir, Options{})
	for n := range 3 {
		write(f, s, "b", put(record("k", strings.Repeat("v", n*1000))))
	}
	for _, b := range badgerFiles(f, dir) {
		f.Add(b)
	}
	shut(f, s)
	for _, b := range badgerFiles(f, dir) {
		f.Add(b)
	}
	// Lengths and counts that lie, at either end.
	for _, b := range []string{"", "\x00", strings.Repeat("\x00", 64), strings.Repeat("\xff", 64), strings.Repeat("\x7f\xff\xff\xff", 16), witnessMagic} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		if t, err := parseTable(b, nil); err == nil {
			for i := range t.blocks() {
				_ = t.read(i, func(it item) bool { return len(it.key) > 0 || known(it.key) })
			}
		}
		_ = entries(b, []byte("a base key of a block"), func(item) bool { return true })
		_ = readLog(b, (*registry)(nil).key, func(item) bool { return true })
		(&witness{recent: map[uint64]bucketID{}}).decode(b)
	})
}
