//go:build unix

package badger

import (
	"io/fs"
	"syscall"
)

// allocated returns what a file takes on the disk.
func allocated(info fs.FileInfo) float64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return float64(st.Blocks) * 512
	}
	return float64(info.Size())
}
