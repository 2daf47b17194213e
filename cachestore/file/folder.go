package file

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// folder is an open cache directory. Everything it does stays below its root. It
// is not safe for concurrent use.
type folder struct {
	dir    string
	root   *os.Root
	opened fs.FileInfo // of root, when it was opened
	lock   lock
}

// openFolder opens dir, and makes it if it is missing. It does not take the lock.
func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if err := makeDirs(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir, root: root, lock: lock{path: filepath.Join(dir, lockName)}}
	if f.opened, err = root.Stat("."); err != nil {
		_ = root.Close()
		return nil, err
	}
	f.tighten(log)
	return f, nil
}

// makeDirs makes dir and what is missing above it, durably.
func makeDirs(dir string) error {
	var parents []string
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		parents = append(parents, filepath.Dir(d))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		// Best effort: a parent that can't be read can't be synced either.
		if d, err := os.Open(p); err == nil {
			_ = syncDir(d)
			_ = d.Close()
		}
	}
	return nil
}

// tighten takes the access of other users away from a folder that is this
// package's alone. A folder that may serve others too (it belongs to another
// user, holds other files, or is shared by its set-group-ID or sticky bit, as a
// Kubernetes volume with an fsGroup is) is left as it is, with a warning: the
// documents are readable by their owner only in any case.
func (f *folder) tighten(log *slog.Logger) {
	mode := f.opened.Mode()
	if !modesMatter || mode.Perm()&0o077 == 0 {
		return
	}
	shared := mode&(fs.ModeSetgid|fs.ModeSticky) != 0 || !ownedByMe(f.opened)
	if !shared && f.ours() && f.root.Chmod(".", mode.Perm()&0o700) == nil {
		return
	}
	log.Warn("cache folder is open to other users; those who may write it can replace what is cached",
		"dir", f.dir, "mode", mode.Perm().String(), "fix", "chmod 700, or a folder of its own")
}

// ours reports whether the folder is empty or was used by this package before.
func (f *folder) ours() bool {
	if _, err := f.root.Lstat(lockName); err == nil {
		return true
	}
	d, err := f.root.Open(".")
	if err != nil {
		return false
	}
	defer d.Close() //nolint:errcheck // nothing was written
	_, err = d.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// claim makes this process the writer, and reports whether it was not before.
func (f *folder) claim() (fresh bool, err error) {
	if f.lock.held() {
		if !f.lock.valid(f.root) {
			return false, errMoved
		}
		return false, nil
	}
	if err := f.lock.acquire(f.root); err != nil {
		return false, err
	}
	f.sweep()
	return true, nil
}

// sweep removes the temp files that dead writers left. Nobody else writes now.
func (f *folder) sweep() {
	for _, name := range f.names(temporary.MatchString) {
		_ = f.root.Remove(name) // what stays takes some room and harms nothing
	}
}

func (f *folder) names(want func(name string) bool) []string {
	d, err := f.root.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close() //nolint:errcheck // nothing was written
	all, _ := d.Readdirnames(-1)
	return slices.DeleteFunc(all, func(n string) bool { return !want(n) })
}

// journals returns the names of the journals of a stem.
func (f *folder) journals(stem string) []string {
	return f.names(func(name string) bool {
		_, ok := journalOf(stem, name)
		return ok
	})
}

// read returns the content of a file of at most limit bytes, and what it looked
// like before it was read. A file that is not there is no error and no info.
// What can't be read because of its medium, form or size is errDamaged.
func (f *folder) read(name string, limit int64) ([]byte, fs.FileInfo, error) {
	info, err := f.stat(name)
	if err != nil || info == nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, info, errDamaged
	}
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, info, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	// The writer may have renamed another file here since.
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	content := make([]byte, 0, min(info.Size(), limit)+512)
	for {
		n, err := file.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		switch {
		case errors.Is(err, io.EOF):
			return content, info, nil
		case errors.Is(err, syscall.EIO):
			return nil, info, errDamaged
		case err != nil:
			return nil, info, err
		case int64(len(content)) > limit:
			return nil, info, errDamaged
		}
		content = slices.Grow(content, 512)
	}
}

// head returns the first line of a file, without its end, or as much as a header
// may have; nothing of a file that is not there.
func (f *folder) head(name string) ([]byte, error) {
	info, err := f.stat(name)
	if err != nil || info == nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errDamaged
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	start := make([]byte, longestHeader)
	n, err := io.ReadFull(file, start)
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		first, _, _ := bytes.Cut(start[:n], []byte("\n"))
		return first, nil
	case errors.Is(err, syscall.EIO):
		return nil, errDamaged
	}
	return nil, err
}

// stat returns nil for a file that is not there.
func (f *folder) stat(name string) (fs.FileInfo, error) {
	info, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

// create writes a new temp file durably and returns its name. If that fails
// nothing stays.
func (f *folder) create(stem string, doc []byte) (string, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails: crypto/rand ends the process instead
	name := stem + ".tmp-" + hex.EncodeToString(random[:])
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.Write(doc)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = f.root.Remove(name)
		return "", err
	}
	return name, nil
}

// sync makes the names in the folder durable.
func (f *folder) sync() error {
	d, err := f.root.Open(".")
	if err != nil {
		return err
	}
	err = syncDir(d)
	if closed := d.Close(); err == nil {
		err = closed
	}
	return err
}

const (
	asideCorrupt = ".corrupt-"
	asideNewer   = ".newer-"
	keptCorrupt  = 4
)

// forget removes the journals of a stem but those of the generations to keep, and
// reports whether any is left. What can't be removed takes some room and harms
// nothing: no document of its generation is there.
func (f *folder) forget(stem string, keep ...uint64) (left bool) {
	for _, name := range f.journals(stem) {
		generation, _ := journalOf(stem, name)
		if slices.Contains(keep, generation) {
			left = true
			continue
		}
		remove := f.root.Remove
		if first, err := f.head(name); err == nil && newer(first) {
			remove = func(name string) error { return f.root.Rename(name, asideName(name, asideNewer)) }
		}
		left = remove(name) != nil || left
	}
	return left
}

// putAside gives a file that is about to be replaced a second name, so that it is
// not lost, and never leaves the folder without it meanwhile.
func (f *folder) putAside(name, kind string) error {
	to := asideName(name, kind)
	if f.root.Link(name, to) == nil {
		return nil
	}
	if strings.HasSuffix(name, journalEnd) {
		// The document that it continues becomes the previous one, and must not look
		// whole without it. It stays as long as that does.
		return nil
	}
	// Not every file system has links, and directories have none.
	if err := f.root.Rename(name, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put a damaged document aside: %w", err)
	}
	return nil
}

func asideName(name, kind string) string {
	return name + kind + time.Now().UTC().Format("20060102T150405.000000000Z")
}

// prune deletes all but the newest damaged documents of a bucket.
func (f *folder) prune(stem string) {
	damaged := f.names(func(n string) bool {
		return strings.HasPrefix(n, stem+".") && strings.Contains(n, asideCorrupt)
	})
	age := func(name string) string { return name[strings.LastIndexByte(name, '-'):] }
	slices.SortFunc(damaged, func(a, b string) int { return strings.Compare(age(b), age(a)) })
	for _, name := range damaged[min(keptCorrupt, len(damaged)):] {
		_ = f.root.RemoveAll(name)
	}
}

func (f *folder) close() error {
	return errors.Join(f.lock.release(), f.root.Close())
}
