package etcdtest

import "syscall"

// endWithParent makes no server survive a test binary that crashed or was killed.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
