//go:build unix

package file

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// limitFiles makes each file that this process writes a disk of that many bytes,
// until it is given another limit.
func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// beNobody makes permission bits count for a process that runs as root, and gives
// it its folder.
func beNobody(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	return errors.Join(
		os.Chown(dir, nobody, nobody),
		os.Chmod(filepath.Dir(dir), 0o755),
		syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody),
	)
}
