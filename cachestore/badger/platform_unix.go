//go:build unix

package badger

import (
	"errors"
	"os"
	"syscall"
)

// modesMatter says whether permission bits protect anything here.
const modesMatter = true

// lockFlags never follow a link out of the folder.
const lockFlags = os.O_CREATE | os.O_RDONLY | syscall.O_NOFOLLOW

// syncDir makes the names in a directory durable. File systems that can't do
// that say so, and then there is nothing to be done.
func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
