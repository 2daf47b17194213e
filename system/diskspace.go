//go:build linux || darwin

package system

import (
	"fmt"
	"syscall"
)

// spaceOf asks the file system that holds path.
func spaceOf(path string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return space{}, fmt.Errorf("statfs: %w", err)
	}
	size := uint64(s.Bsize)
	// What is kept back for root counts as used: this program can't have it.
	return space{total: s.Blocks * size, free: s.Bavail * size, inodes: s.Files, freeInodes: s.Ffree}, nil
}
