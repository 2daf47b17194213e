package file

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// TestStore_RotIsReportedAndHealed spoils each file of a folder at each offset: a
// bit flipped, a byte and a run of bytes zeroed, cut off. Whatever it is, the
// folder opens, nothing is served that was never written, what is missing is
// reported, and the next Write heals the bucket.
func TestStore_RotIsReportedAndHealed(t *testing.T) {
	for title, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		t.Run(title, func(t *testing.T) {
			opts := Options{Key: key}
			dir := t.TempDir()
			journaled(t, dir, key)
			s := journaling(dir, opts)
			large := strings.Repeat("large ", 10)
			write(t, s, "b", core.Batch{Reset: true, Put: []core.Record{record("a", "1"), record("b", large), record("\xff", "\xfe")}})
			write(t, s, "b", core.Batch{Put: []core.Record{record("a", "2")}, Delete: []string{"\xff"}})
			newest := map[string]string{"a": "2", "b": large}
			expect(t, s, "b", newest)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			written := map[string][]string{"a": {"old", "new", "1", "2"}, "b": {large}, "b/c": {"old", "again"}, "\xff": {"old", "\xfe"}, "d": {"\xfe"}, "e": {"text"}}
			whole := snapshot(t, dir)
			cases, reported, every := 0, 0, 1
			if testing.Short() {
				every = 8 // of all ruins; CI makes all of them without the race detector
			}
			seen := 0
			for name, text := range whole {
				if name == lockName {
					continue
				}
				ruins([]byte(text), func(what string, ruined []byte) bool {
					if seen++; seen%every != 0 {
						return true
					}
					cases++
					heal := cases%32 == 0
					if rotten(t, dir, name, ruined, opts, newest, written, heal) {
						reported++
					}
					if t.Failed() {
						t.Logf("%s of %s", what, name)
					}
					if heal {
						restore(t, dir, whole)
					}
					return !t.Failed()
				})
				restore(t, dir, whole)
			}
			t.Logf("%d ruins of %d files, %d of them a loss, each reported; 0 wrong values", cases, len(whole)-1, reported)
			if reported < cases/10 {
				t.Error("hardly any ruin was a loss: the test shows nothing")
			}
		})
	}
}

// rotten spoils one file, and reports whether the store reported a loss.
func rotten(t *testing.T, dir, name string, ruined []byte, opts Options, newest map[string]string, written map[string][]string, heal bool) (reported bool) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), ruined, 0o600); err != nil {
		t.Fatal(err)
	}
	s := journaling(dir, opts)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	got, err := contents(t.Context(), s, "b")
	for k, v := range got {
		if !strings.Contains("\x00"+strings.Join(written[k], "\x00")+"\x00", "\x00"+v+"\x00") {
			t.Errorf("key %q has the value %q, which was never written", k, v)
		}
	}
	reported = errors.Is(err, core.ErrCorrupt)
	if err != nil && !reported {
		t.Errorf("All: %v", err)
	}
	if !reported && !maps.Equal(got, newest) {
		t.Errorf("served without a word: %q", got)
	}
	if reported && s.Stats().LastError == nil {
		t.Error("Stats knows nothing of it")
	}
	if !heal {
		return reported
	}
	write(t, s, "b", put(record("a", "healed")))
	want := maps.Clone(got)
	want["a"] = "healed"
	expect(t, s, "b", want)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	expectFolder(t, dir, opts, "b", want)
	return reported
}

// restore puts back the files of a folder, and nothing else.
func restore(t *testing.T, dir string, whole map[string]string) {
	t.Helper()
	for _, name := range files(t, dir, "") {
		if _, ok := whole[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range whole {
		if name == lockName {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
