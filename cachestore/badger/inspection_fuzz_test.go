package badger

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// FuzzInspect replaces a file of a store by arbitrary bytes: an inspection ends
// well, shows nothing wrong, and tells whatever is missing.
func FuzzInspect(f *testing.F) {
	pristine := filepath.Join(f.TempDir(), "store")
	s := New(pristine, Options{})
	want := map[string]string{"k": "v", "l": "w", "parts": strings.Repeat("p", inlineValue+1)}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		write(f, s, "b", put(record(key, want[key])))
	}
	shut(f, s)
	all, err := filepath.Glob(filepath.Join(pristine, dataName, "*"+tableExt))
	if err != nil || len(all) != 1 {
		f.Fatalf("%v, %v", all, err)
	}
	names := []string{
		dataName + "/" + filepath.Base(all[0]), dataName + "/00009" + logExt, dataName + "/MANIFEST", dataName + "/KEYREGISTRY",
		witnessName, markerName,
	}
	for n, name := range names {
		b, err := os.ReadFile(filepath.Join(pristine, name))
		if err == nil {
			f.Add(uint8(n), b)
			f.Add(uint8(n), b[:len(b)/2])
		}
		for _, b := range []string{"", "\x00", strings.Repeat("\xff", 300), string(stageSwap), string(stageAgain), "Bdgr\x00\x00\x00\x08\x7f\xff\xff\xff", witnessMagic} {
			f.Add(uint8(n), []byte(b))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, names[int(n)%len(names)]), b, 0o600); err != nil {
			t.Fatal(err)
		}
		i, err := Inspect(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspected(t.Context(), i, "b")
		if err != nil && !errors.Is(err, core.ErrCorrupt) {
			t.Error(err)
		}
		for key, value := range got {
			if want[key] != value {
				t.Errorf("%q is shown as %.40q", key, value)
			}
		}
		if len(got) != len(want) && i.trouble() == "" {
			t.Errorf("%d of %d records are shown, and nothing is said", len(got), len(want))
		}
	})
}
