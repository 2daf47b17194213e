package policy

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestUnseal_TrustsNoByte(t *testing.T) {
	at := time.UnixMilli(1_790_000_000_123)
	for _, data := range [][]byte{nil, []byte(`{"Name":"Ann"}`), {0, '\n', ' ', 0xff}} {
		sealed := seal("key", at, data)
		gotAt, got, err := unseal("key", sealed)
		if err != nil || !gotAt.Equal(at) || !bytes.Equal(got, data) {
			t.Errorf("%q: got %v, %q, %v", data, gotAt, got, err)
		}
		if _, _, err := unseal("another", sealed); !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("the record of another key: %v", err)
		}
		for i := range sealed {
			if _, _, err := unseal("key", sealed[:i]); !errors.Is(err, core.ErrCorrupt) {
				t.Errorf("%q cut at %d: %v", sealed, i, err)
			}
			for bit := range 8 {
				flipped := bytes.Clone(sealed)
				flipped[i] ^= 1 << bit
				if _, _, err := unseal("key", flipped); !errors.Is(err, core.ErrCorrupt) {
					t.Errorf("%q with bit %d of byte %d flipped: %v", sealed, bit, i, err)
				}
			}
		}
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add("key", seal("key", time.UnixMilli(0), []byte("data")))
	f.Add("", []byte(sealFormat+" "))
	for _, key := range []string{"", "../../etc/passwd", "\x00", "\xff\xfe", "a\nb", strings.Repeat("n", 300)} {
		whole := seal(key, time.Unix(1<<60, 0), []byte("\x00\xff\n"))
		f.Add(key, whole)
		f.Add(key, whole[:len(whole)-1])
		f.Add(key+"x", whole)
	}
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		at, data, err := unseal(key, b)
		if err == nil && !bytes.Equal(seal(key, at, data), b) {
			t.Errorf("%q is read as %v, %q", b, at, data)
		}
	})
}
