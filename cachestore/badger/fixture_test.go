package badger

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var fixture = flag.String("fixture", "", "write the fixture of this version into the folder, instead of reading those that are there")

func fixtureRecords() map[string]string {
	return map[string]string{
		"plain": "a value", "empty": "", "../\x00\xff": "\x00\xff", "long": strings.Repeat("long ", 50), "parts": strings.Repeat("p", inlineValue+1),
	}
}

// TestStore_ReadsWhatEarlierVersionsWrote reads the stores below testdata, which
// are never changed. To add one when the format changes:
//
//	go test ./cachestore/badger -run EarlierVersions -fixture testdata/v2
func TestStore_ReadsWhatEarlierVersionsWrote(t *testing.T) {
	if *fixture != "" {
		makeFixture(t, *fixture)
		return
	}
	names, err := filepath.Glob(filepath.Join("testdata", "v*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, Options{})
			expect(t, s, "fixture", fixtureRecords())
			expect(t, s, "another", map[string]string{"k": "2"})
			if st := s.Stats(); st.Damage != "" || len(st.PutAside) > 0 {
				t.Errorf("stats: %+v", st)
			}
			write(t, s, "another", put(record("l", "3")))
			expect(t, s, "another", map[string]string{"k": "2", "l": "3"})
		})
	}
}

func makeFixture(t *testing.T, dir string) {
	t.Helper()
	s := New(dir, Options{})
	for key, value := range fixtureRecords() {
		write(t, s, "fixture", put(record(key, value)))
	}
	write(t, s, "another", put(record("k", "1")))
	write(t, s, "another", put(record("k", "2")))
	shut(t, s)
	// These hold nothing; one of them takes a megabyte.
	for _, name := range []string{".lock", "db/DISCARD", "db/000001.vlog"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
