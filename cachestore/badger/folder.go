package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockName  = ".lock"
	dataName  = "db"     // Badger's folder
	freshName = "db.new" // one that is not ready

	asideCorrupt = dataName + ".corrupt-"
	asideNewer   = dataName + ".newer-"
	asideConvert = dataName + ".replaced-"
	keptCorrupt  = 2
)

// folder is an open cache directory, locked for this process.
type folder struct {
	dir  string
	root *os.Root
	lock *flock.Flock
}

// openFolder opens dir, and makes it if it is missing, and takes its lock.
func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the cache folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache folder: %w", err)
	}
	f := &folder{dir: dir, root: root}
	if err := f.acquire(); err != nil {
		_ = root.Close()
		return nil, err
	}
	if info, err := root.Stat("."); err == nil && modesMatter && info.Mode().Perm()&0o077 != 0 {
		log.Warn("cache folder is open to other users; those who may write it can replace what is cached",
			"dir", dir, "mode", info.Mode().Perm().String(), "fix", "chmod 700, or a folder of its own")
	}
	return f, nil
}

// acquire takes the lock if nobody else has it, without waiting. The operating
// system takes it away from a process that dies.
func (f *folder) acquire() error {
	// Opening a pipe would block, and a link could lead out of the folder.
	info, err := f.root.Lstat(lockName)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; remove it", filepath.Join(f.dir, lockName))
	}
	lock := flock.New(filepath.Join(f.dir, lockName), flock.SetFlag(lockFlags), flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		_ = lock.Close()
		return fmt.Errorf("lock the folder: %w", err)
	case !ok:
		_ = lock.Close()
		return errLocked
	}
	f.lock = lock
	return nil
}

func (f *folder) close() error { return errors.Join(f.lock.Close(), f.root.Close()) }

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) sync() error { return syncFolder(f.root) }

// clear ends or undoes what a start before left unfinished, and returns the stage
// that is left.
func (f *folder) clear(before stage) (stage, error) {
	if before == stageSwap {
		before = stageNone
		if _, err := f.root.Lstat(dataName); errors.Is(err, fs.ErrNotExist) {
			if err := f.root.Rename(freshName, dataName); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return before, err
			}
		}
	}
	for _, name := range append(f.aside(asideConvert), freshName) {
		if err := f.root.RemoveAll(name); err != nil {
			return before, err
		}
	}
	return before, nil
}

// putAside renames Badger's folder, so that nothing is lost that a person might
// want to look at, and returns its new name.
func (f *folder) putAside(kind string) (string, error) {
	to := kind + time.Now().UTC().Format("20060102T150405.000000000Z")
	err := f.root.Rename(dataName, to)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("put a damaged folder aside: %w", err)
	}
	f.prune()
	return to, f.sync()
}

// prune deletes all but the newest damaged folders.
func (f *folder) prune() {
	names := f.aside(asideCorrupt)
	for _, name := range names[:max(0, len(names)-keptCorrupt)] {
		_ = f.root.RemoveAll(name) // what stays takes some room and harms nothing
	}
}

// aside lists what was put aside, the oldest first.
func (f *folder) aside(kind string) []string {
	d, err := f.root.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close() //nolint:errcheck // nothing was written
	names, _ := d.Readdirnames(-1)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, kind) })
	slices.Sort(names)
	return names
}

// sweep removes what Badger does not need and might stumble over: the value log
// and its bookkeeping hold nothing, a file that was to replace another one was
// not finished, and a log without a start holds no entry.
func (f *folder) sweep() error {
	data, err := f.root.OpenRoot(dataName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer data.Close() //nolint:errcheck // nothing is open in it
	d, err := data.Open(".")
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close() // nothing was written
	for _, name := range names {
		if filepath.Ext(name) == ".vlog" || name == "DISCARD" || strings.Contains(name, "REWRITE") {
			err = errors.Join(err, data.Remove(name))
		}
		if info, bad := data.Lstat(name); bad == nil && filepath.Ext(name) == logExt && info.Size() < logHeader {
			err = errors.Join(err, data.Remove(name))
		}
	}
	return err
}

// replaceFile writes a small file durably, whole or not at all.
func replaceFile(root *os.Root, name string, b []byte) error {
	temp := name + ".tmp"
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return syncFolder(root)
}

// syncFolder makes the names in a folder durable.
func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	err = syncDir(d)
	if closed := d.Close(); err == nil {
		err = closed
	}
	return err
}
