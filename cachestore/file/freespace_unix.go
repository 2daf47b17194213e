//go:build linux || darwin

package file

import "syscall"

// freeBytes is what an unprivileged process may still write where dir is; -1 if
// the system does not say.
func freeBytes(dir string) int64 {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}
