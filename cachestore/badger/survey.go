package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	engine "github.com/dgraph-io/badger/v4"
)

const (
	tableExt = ".sst"
	logExt   = ".mem"
)

// survey is what this package finds in a folder of Badger before Badger sees
// it.
type survey struct {
	dir      string
	empty    bool  // there is no store yet
	damage   error // why Badger must not open it; nil if it may
	newer    bool  // a newer version of this package wrote it
	seq      uint64
	bytes    int64 // of tables and logs
	registry *registry

	manifest map[uint64]engine.TableManifest // nil if it can't be read
	tables   []string
	logs     []string
	buffer   []byte
}

// takeSurvey reads all of a folder. Damage is no error; an error says that nothing
// can be said now, or errKey.
func takeSurvey(dir string, keys [][]byte) (*survey, error) {
	n := &survey{dir: dir}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		n.empty = true
		return n, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		switch filepath.Ext(f.Name()) {
		case tableExt:
			n.tables = append(n.tables, f.Name())
		case logExt:
			n.logs = append(n.logs, f.Name())
		}
	}
	slices.Sort(n.logs)
	if err := n.readManifest(); err != nil {
		return nil, err
	}
	n.registry, err = openRegistry(dir, keys)
	if err != nil && (errors.Is(err, errKey) || ofMedium(err)) {
		return n, err
	}
	if len(n.manifest) == 0 && len(n.tables) == 0 && len(n.logs) == 0 {
		// Nothing was written to it, or a process died while Badger made it.
		n.empty, n.damage = true, nil
		return n, nil
	}
	n.spot(err)
	return n, n.check()
}

// spot keeps the first damage that is found.
func (n *survey) spot(err error) {
	if n.damage == nil {
		n.damage = err
	}
}

func (n *survey) readManifest() error {
	f, err := os.Open(filepath.Join(n.dir, engine.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		n.spot(errors.New("the manifest is missing"))
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	err = guarded(func() error {
		m, _, err := engine.ReplayManifestFile(f, 0, engine.DefaultOptions("").WithLogger(nil))
		if err == nil {
			n.manifest = m.Tables
		}
		return err
	})
	if err != nil && !ofMedium(err) {
		n.spot(errors.New("the manifest is damaged"))
		return nil
	}
	return err
}

// check reads each file that Badger would use and looks for the head of the
// store.
func (n *survey) check() error {
	for id, m := range n.manifest {
		name := fmt.Sprintf("%06d%s", id, tableExt)
		if m.Compression != 0 || m.Level > 6 {
			n.spot(fmt.Errorf("%s is not of this package", name))
			continue
		}
		if err := n.checkTable(name, m.KeyID); err != nil {
			return err
		}
	}
	for _, name := range n.logs {
		if _, err := strconv.ParseUint(name[:len(name)-len(logExt)], 10, 32); err != nil {
			n.spot(fmt.Errorf("%q is not of this package", name))
			continue
		}
		data, err := n.load(name)
		if err != nil {
			return err
		}
		if len(data) < logHeader {
			continue // a process died while Badger made it
		}
		if err := readLog(data, n.registry.key, n.observe); err != nil {
			n.spot(fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

func (n *survey) checkTable(name string, keyID uint64) error {
	data, err := n.load(name)
	if err != nil || data == nil {
		return err
	}
	key, err := n.registry.key(keyID)
	if err != nil {
		n.spot(err)
		return nil
	}
	t, err := parseTable(data, key)
	if err != nil {
		n.spot(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	for i := range t.blocks() {
		var do func(item) bool
		if i == 0 {
			do = func(it item) bool { return n.observe(it) && it.key[0] == kindStore }
		}
		if err := t.read(i, do); err != nil {
			n.spot(fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

// observe looks for the head of the store. It goes on in any case.
func (n *survey) observe(it item) bool {
	if len(it.key) == 1 && it.key[0] == kindStore && it.meta&deleted == 0 {
		h, err := decodeStoreHead(it.value)
		if err == nil {
			n.seq = max(n.seq, h.seq)
		}
		n.newer = n.newer || errors.Is(err, errNewer)
	}
	return true
}

// load reads a file into a buffer that is used again. No data and no error: the
// file is damaged.
func (n *survey) load(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(n.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		n.spot(fmt.Errorf("%s is missing", name))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const longest = 1 << 30 // no table or log of this package is near it
	if !info.Mode().IsRegular() || info.Size() > longest {
		n.spot(fmt.Errorf("%s is not of this package", name))
		return nil, nil
	}
	size := int(info.Size())
	n.bytes += int64(size)
	if cap(n.buffer) < size {
		n.buffer = make([]byte, size)
	}
	data := n.buffer[:size]
	for at := 0; at < size; {
		k, err := f.ReadAt(data[at:], int64(at))
		at += k
		if err != nil && at < size {
			if ofMedium(err) {
				return nil, err
			}
			// A sector that can't be read is damage like any other.
			n.spot(fmt.Errorf("%s can't be read", name))
			clear(data[at:])
			break
		}
	}
	return data, nil
}

// each calls do for each version of each key in the folder, damaged files
// included, in no order, until it returns false. With orphans it reads tables
// too that the manifest does not name.
func (n *survey) each(orphans bool, do func(item) bool) error {
	more := true
	visit := func(it item) bool {
		more = do(it)
		return more
	}
	for _, name := range n.tables {
		id, err := strconv.ParseUint(name[:len(name)-len(tableExt)], 10, 64)
		m, named := n.manifest[id]
		if (err != nil || !named) && !orphans {
			continue
		}
		data, err := n.load(name)
		if err != nil {
			return err
		}
		if t := n.salvageable(data, named, m.KeyID); t != nil {
			for i := 0; i < t.blocks() && more; i++ {
				_ = t.read(i, visit) // what it could not read is missing, and the heads tell
			}
		}
	}
	for _, name := range n.logs {
		data, err := n.load(name)
		if err != nil {
			return err
		}
		if more && data != nil {
			_ = readLog(data, n.registry.key, visit) // likewise
		}
	}
	return nil
}

// salvageable finds out how a table is encrypted, if nobody can tell.
func (n *survey) salvageable(data []byte, named bool, keyID uint64) *table {
	if named {
		key, err := n.registry.key(keyID)
		if err != nil {
			return nil
		}
		t, _ := parseTable(data, key) // nil if it is damaged
		return t
	}
	var found *table
	for _, key := range n.registry.all() {
		if t, err := parseTable(data, key); err == nil && t.read(0, nil) == nil {
			found = t
		}
	}
	return found
}
