package file

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// playsOnTmpfs lets a child mount a file system that ends with it, and reports
// whether this process may do that at all.
func playsOnTmpfs(t *testing.T) bool {
	t.Helper()
	cmd, _, _, err := begin(t, "tmpfs", t.TempDir(), &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		if cmd.ProcessState.ExitCode() == exitNotAllowed {
			return false
		}
		t.Errorf("tmpfs: %v", err)
	}
	return true
}

func mountSmall(dir string) error {
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return errNotAllowed
	}
	return err
}
