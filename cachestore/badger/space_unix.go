//go:build unix && !solaris && !illumos && !netbsd && !openbsd && !aix

package badger

import (
	"os"
	"syscall"
)

// freeSpace returns how many bytes this process may still write to the file
// system of dir.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &s)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("statfs", err)
		}
		return int64(s.Bavail) * int64(s.Bsize), nil
	}
}
