//go:build unix

package holdfastgin

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func signalSelf(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

func TestRun_EndsAtSignalsAndHurriesAtTheSecond(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			b := newBackend(t)
			svc := startService(t, b, nil)
			stop := fast()
			stop.LameDuck = time.Hour
			r := runService(t, svc, healthy(t, svc), RunOptions{Stop: stop})
			eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })

			signalSelf(t, s)
			eventually(t, "the lame duck begins", func() bool { return r.life.Phase() == PhaseLameDuck })
			signalSelf(t, s)
			if err := r.ended(); err != nil {
				t.Error(err)
			}
			if left := instances(t, b, "orders"); len(left) != 0 {
				t.Errorf("peers still see %v", left)
			}
			if len(r.log.lines("second signal")) != 1 {
				t.Error("the log does not tell of the second signal")
			}
		})
	}
}
