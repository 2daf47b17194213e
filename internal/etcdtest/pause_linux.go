package etcdtest

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopWithin is how long a process may take to stop after it was told to.
const stopWithin = 10 * time.Second

// pause returns once every thread has stopped: the signal alone only asks for it, and
// a thread that runs on another CPU may answer a request meanwhile.
func (p *process) pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(stopWithin); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the stop: %w", err)
		case info.Code == cldStopped:
			return nil
		}
	}
	return fmt.Errorf("it has not stopped within %v", stopWithin)
}

// cldStopped is CLD_STOPPED, see sigaction(2); the package unix does not have it.
const cldStopped = 5

func (p *process) resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
