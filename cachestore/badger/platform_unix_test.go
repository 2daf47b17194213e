//go:build unix

package badger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// allocated returns what a file takes on the disk.
func allocated(info fs.FileInfo) float64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return float64(st.Blocks) * 512
	}
	return float64(info.Size())
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
