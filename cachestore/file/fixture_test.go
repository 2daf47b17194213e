package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/core"
)

// TestStore_ReadsWhatEarlierVersionsWrote reads folders that are committed: version 1
// wrote documents alone, version 2 continues them by journals. A version to come
// adds its own, and still reads these.
func TestStore_ReadsWhatEarlierVersionsWrote(t *testing.T) {
	for name, key := range map[string][]byte{"v1": nil, "v1-encrypted": testKey, "v2": nil, "v2-encrypted": testKey} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
				t.Fatal(err)
			}
			want := map[string][]core.Record{
				"Orders/EU": {
					{Key: "blob", Value: []byte{0xff, 0}, Revision: "7", SavedAt: saved},
					{Key: "limits", Value: []byte("max_items: 100 # <= 200"), Revision: "7", SavedAt: saved},
					{Key: "nothing", Value: []byte{}, Revision: "7", SavedAt: saved},
				},
				"holdfast/0123": {
					{Key: "/", Value: []byte("é\n"), Revision: "\xfe", SavedAt: saved},
					{Key: "nil", SavedAt: saved},
				},
			}
			s := open(t, dir, Options{Key: key})
			for range 3 { // as it was left, and after Writes of this version
				for bucket, records := range want {
					var got []core.Record
					for r, err := range s.All(t.Context(), bucket) {
						if err != nil {
							t.Fatalf("%s: %v", bucket, err)
						}
						got = append(got, r)
					}
					if diff := cmp.Diff(records, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", bucket, diff)
					}
					write(t, s, bucket, put(records[0]))
				}
			}
		})
	}
}
