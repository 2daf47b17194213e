package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

const lockName = ".lock"

var errLocked = errors.New("another process or store holds the folder for writing: " +
	"give each its own folder (one named after the instance, say), or let it end; this one reads meanwhile")

// lock is the right to write a folder. The operating system takes it away from
// a process that dies.
type lock struct {
	path string
	file *flock.Flock // nil while not held
}

// acquire takes the lock if nobody else has it, without waiting.
func (l *lock) acquire(root *os.Root) error {
	// Opening a pipe would block, and a link could lead out of the folder.
	info, err := root.Lstat(lockName)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; remove it", l.path)
	}
	file := flock.New(l.path, flock.SetFlag(lockFlags), flock.SetPermissions(0o600))
	switch ok, err := file.TryLock(); {
	case err != nil:
		_ = file.Close()
		return fmt.Errorf("lock the folder: %w", err)
	case !ok:
		_ = file.Close()
		return errLocked
	}
	l.file = file
	if !l.valid(root) {
		_ = l.release()
		return errMoved
	}
	return nil
}

func (l *lock) held() bool { return l.file != nil }

// valid reports whether the lock that is held is still the one that others see,
// and lies in root. A person may have deleted it, or the whole folder.
func (l *lock) valid(root *os.Root) bool {
	mine, err := l.file.Stat()
	if err != nil {
		return false
	}
	seen, err := os.Lstat(l.path)
	if err != nil || !os.SameFile(mine, seen) {
		return false
	}
	inRoot, err := root.Lstat(lockName)
	return err == nil && os.SameFile(mine, inRoot)
}

func (l *lock) release() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// errMoved says that the folder at the path is not the one that was opened.
var errMoved = errors.New("the folder was moved or deleted")

// moved reports whether the folder that was opened as root is no longer at dir.
func moved(dir string, opened fs.FileInfo) bool {
	now, err := os.Stat(filepath.Clean(dir))
	return err != nil || !os.SameFile(now, opened)
}
