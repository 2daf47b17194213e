package etcdtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one run of an etcd server. Its methods are for one goroutine.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process is gone and waited for
	paused bool
}

// launch starts path with args; its output is appended to logFile.
func launch(ctx context.Context, path string, args []string, logFile string) (*process, error) {
	output, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	// The process ends in the cleanup of its test, after those that still use it,
	// not when ctx does.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...) //nolint:gosec // built by Binary.
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = endWithParent()

	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.exited)
		// Linux sends the signal of endWithParent when the *thread* that started the
		// child ends (golang/go #27505), so it has to stay until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
		_ = output.Close()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process at once, even a paused one, and waits for it.
func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill()
	}
	<-p.exited
}

// stop asks the process to end, and kills it when it has not within grace.
func (p *process) stop(grace time.Duration) {
	if p.paused || p.cmd.Process.Signal(syscall.SIGTERM) != nil {
		p.kill()
		return
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.kill()
	}
}
