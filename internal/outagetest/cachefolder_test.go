package outagetest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// cacheFile is one file of a cache's folder at one moment.
type cacheFile struct {
	data     []byte
	modified time.Time
}

// readFolder reads all of a cache's folder but its lock.
func readFolder(t *testing.T, dir string) map[string]cacheFile {
	t.Helper()
	files := make(map[string]cacheFile)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".lock" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = cacheFile{data, info.ModTime()}
		return err
	})
	if err != nil {
		t.Fatalf("read the cache's folder: %v", err)
	}
	return files
}

// mustBeUntouched compares a folder with what it was.
func mustBeUntouched(t *testing.T, dir string, was map[string]cacheFile) {
	t.Helper()
	if len(was) == 0 {
		t.Error("nothing was cached")
	}
	now := readFolder(t, dir)
	for name, f := range was {
		if n, ok := now[name]; !ok || !bytes.Equal(n.data, f.data) || !n.modified.Equal(f.modified) {
			t.Errorf("cache file %s was touched: modified %v, before %v, its bytes the same: %v", name, n.modified, f.modified, bytes.Equal(n.data, f.data))
		}
	}
	for name := range now {
		if _, ok := was[name]; !ok {
			t.Errorf("cache file %s is new", name)
		}
	}
}
