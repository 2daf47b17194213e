package badger

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"slices"
)

// errForeign says that a folder is not a store's.
var errForeign = errors.New("this is Badger's own folder; give the one above it")

// patience is how often a folder is read that changes meanwhile.
const patience = 5

// steadily reads a folder as it was at one moment. Damage counts only if it is
// there twice: a process that writes may be in the middle of it.
func steadily(ctx context.Context, f *folder, keys [][]byte) (*Inspection, error) {
	if _, err := f.root.Lstat("MANIFEST"); err == nil {
		return nil, errForeign
	}
	seed, said := maphash.MakeSeed(), ""
	for range patience {
		before, err := f.fingerprint()
		if err != nil {
			return nil, err
		}
		i, err := examine(ctx, f, keys, seed)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		after, failed := f.fingerprint()
		if failed != nil {
			return nil, failed
		}
		if err != nil || after != before {
			continue
		}
		i.describe()
		trouble := i.trouble()
		if trouble == "" || trouble == said {
			return i, nil
		}
		said = trouble
	}
	return nil, errors.New("a process that uses the store writes to it all the time: run this again, or end the process first")
}

// trouble is all that is wrong; "" if nothing is.
func (i *Inspection) trouble() string {
	said := ""
	if i.damage != nil {
		said = i.damage.Error()
	}
	for _, b := range i.found {
		if b.Err != nil {
			said += "\n" + b.Place + b.Err.Error()
		}
	}
	return said
}

// fingerprint changes whenever Badger or this package makes, removes or replaces a
// file of a store. That a log grows is no change.
func (f *folder) fingerprint() (string, error) {
	var all []string
	for _, dir := range []string{".", dataName, freshName} {
		d, err := f.root.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		names, err := d.Readdirnames(-1)
		if closed := d.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return "", err
		}
		for _, name := range names {
			stamp := filepath.Join(dir, name)
			switch {
			case name == lockName || name == witnessName+".tmp":
				continue
			case filepath.Ext(name) == "" && name != witnessName || filepath.Ext(name) == tableExt:
				info, err := f.root.Lstat(stamp)
				if err == nil && info.Mode().IsRegular() {
					stamp += fmt.Sprint(" ", info.Size(), " ", info.ModTime().UnixNano())
				}
			}
			all = append(all, stamp)
		}
	}
	slices.Sort(all)
	return fmt.Sprint(all), nil
}
