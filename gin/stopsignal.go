package holdfastgin

import (
	"os"
	ossignal "os/signal"
	"sync"
	"syscall"
)

// stopSignal is how the operating system asks a run to end.
type stopSignal struct {
	asked   chan struct{} // closed at the first signal
	release func()        // gives the signals back and ends the goroutine
}

// watchSignals catches SIGTERM and SIGINT until release. The second one hurries;
// the third finds nobody who catches it.
func (r *run) watchSignals() stopSignal {
	asked := make(chan struct{})
	if r.opts.NoSignals {
		return stopSignal{asked: asked, release: func() {}}
	}
	caught := make(chan os.Signal, 2)
	over := make(chan struct{})
	ossignal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case s := <-caught:
				if n > 1 {
					r.opts.Logger.Warn("holdfast: second signal, hurrying", "signal", s.String())
					ossignal.Stop(caught)
					r.life.Hurry()
					return
				}
				r.opts.Logger.Info("holdfast: stopping", "signal", s.String())
				close(asked)
			case <-over:
				return
			}
		}
	})
	return stopSignal{asked: asked, release: func() {
		ossignal.Stop(caught)
		close(over)
		wg.Wait()
	}}
}
