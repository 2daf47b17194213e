package outagetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	sampleEvery = 2 * time.Millisecond
	// statusEvery is how many samples there are between two looks at levels,
	// which cost more.
	statusEvery = 5
	// oldestLive is how long after the last sign of life a level may still say
	// live: a heartbeat interval of 4 s +10 % and its timeout of 2.5 s, and what a
	// busy machine adds.
	oldestLive = 8 * time.Second
	mostFaults = 5 // that are kept
)

// watchdog reads a node all the time, as its application would, and writes down
// every answer that is none, and every level that is a lie.
type watchdog struct {
	node       *node
	ctx        context.Context
	stop       func()
	oldestLive time.Duration
	began      time.Time

	mu      sync.Mutex
	allowed map[int]bool // of limits.MaxItems
	lonely  bool         // an empty list is only written down
	samples int
	empty   time.Duration // how long lists were empty, about
	faults  []string
	count   int
}

// guard begins to watch a node that is well. allowed are the values that its
// limits may have. What is found fails the test when it ends, or at end.
func guard(t *testing.T, n *node, allowed ...int) *watchdog {
	t.Helper()
	w := &watchdog{node: n, ctx: t.Context(), began: time.Now(), oldestLive: oldestLive, allowed: make(map[int]bool)}
	w.allow(allowed...)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.run(quit) })
	var once sync.Once
	w.stop = func() { once.Do(func() { close(quit); wg.Wait() }) }
	t.Cleanup(w.stop)
	return w
}

func (w *watchdog) allow(items ...int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range items {
		w.allowed[i] = true
	}
}

// end stops watching and fails the test if there was a fault.
func (w *watchdog) end(t *testing.T) {
	t.Helper()
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.samples == 0 {
		t.Errorf("%s: nothing was sampled", w.node.opts.name)
	}
	t.Logf("%s: %d samples in %.1fs, %d faults, list empty for about %v", w.node.opts.name, w.samples, time.Since(w.began).Seconds(), w.count, w.empty)
	for _, f := range w.faults {
		t.Errorf("%s: %s", w.node.opts.name, f)
	}
}

func (w *watchdog) run(quit <-chan struct{}) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		now := time.Now()
		w.sample(now.Sub(last))
		last = now
	}
}

func (w *watchdog) sample(gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples++
	n := w.node
	if items := n.items(); !w.allowed[items] {
		w.fault("limits are %d", items)
	}
	if n.peers != nil {
		_, err := n.peers.Pick(w.ctx)
		if len(n.peers.Instances()) == 0 || err != nil {
			w.empty += gap
			if !w.lonely {
				w.fault("the list of %s is empty: %v", n.peers.Service(), err)
			}
		}
	}
	if w.samples%statusEvery == 0 {
		w.levels()
	}
}

// levels looks for lies.
func (w *watchdog) levels() {
	n := w.node
	c := n.svc.Config().Status()
	w.level("config", c.Level, c.Age, c.Err)
	for _, v := range c.Values {
		if v.Path == "limits" {
			w.level("limits", v.Level, v.Age, nil)
		}
	}
	if n.peers != nil {
		e := n.peers.Status()
		w.level("endpoints", e.Level, e.Age, e.Err)
		if e.Level != core.Live && e.Err == nil {
			w.fault("endpoints are at %v without a reason", e.Level)
		}
	}
}

func (w *watchdog) level(part string, level core.Level, age time.Duration, err error) {
	switch {
	case !level.AtLeast(core.Memory):
		w.fault("%s fell to level %v", part, level)
	case age < 0:
		w.fault("%s is %v old", part, age)
	case level == core.Live && age > w.oldestLive:
		w.fault("%s says live and is %v old", part, age)
	case level == core.Live && err != nil:
		w.fault("%s says live and has the error %v", part, err)
	}
}

// fault writes one down. The caller holds mu.
func (w *watchdog) fault(format string, args ...any) {
	w.count++
	if len(w.faults) < mostFaults {
		w.faults = append(w.faults, fmt.Sprintf("%.3fs: ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

// mayBeLonely says that an empty list is no fault, but still to be written down.
func (w *watchdog) mayBeLonely() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lonely = true
}

// mayBeOld says how old what is live may be, where a loss is hard to notice.
func (w *watchdog) mayBeOld(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.oldestLive = d
}
