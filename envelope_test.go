package holdfast

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// FuzzUnseal gives what a store might return to those who read it: it is taken for a
// record only if its checksum is right, and is refused as corrupt otherwise.
func FuzzUnseal(f *testing.F) {
	rec := configRecord{keys: map[string][]byte{"limits/max_items": []byte("7"), "limits/blob": {0xff}}}
	sealed, err := rec.seal("limits")
	if err != nil {
		f.Fatal(err)
	}
	in, err := seal(core.Instance{ID: "i-1", Service: "inventory", Endpoints: []string{"http://10.0.0.7:8080"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{sealed, in, []byte("null"), []byte(`{"format":1,"sha256":"","data":null}`), []byte(`{"format":2}`)} {
		for _, key := range []string{"", "../../etc/passwd", "\x00", "\xff", strings.Repeat("n", 300)} {
			f.Add(key, b)
		}
		f.Add("limits", b)
		f.Add("/", b[:len(b)/2])
		f.Add("i-1", bytes.ReplaceAll(b, []byte("7"), []byte("8")))
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		stored := core.Record{Key: key, Value: value, SavedAt: time.Now()}
		got, err := unsealConfig(stored)
		switch {
		case err == nil:
			again, err := got.seal(pathOfRecord(key))
			if err != nil {
				t.Fatal(err)
			}
			back, err := unsealConfig(core.Record{Key: key, Value: again})
			if err != nil || !sameKeys(back.keys, got.keys) {
				t.Errorf("what was read from %q does not survive: %v", value, err)
			}
		case !errors.Is(err, core.ErrCorrupt):
			t.Errorf("%q: %v is not ErrCorrupt", value, err)
		}
		set := openRecords("inventory", []core.Record{stored}, func(core.Revision, core.Revision) (int, bool) { return 0, false })
		if len(set.instances)+set.damaged != 1 {
			t.Errorf("%q gave %d instances, %d damaged", value, len(set.instances), set.damaged)
		}
	})
}
