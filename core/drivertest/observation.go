package drivertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// errOver is the cause with which the kit ends its own watches.
var errOver = errors.New("drivertest: the case is over")

// step is an Update and when it came.
type step[V any] struct {
	core.Update[V]
	at time.Time
}

// observation is a running watch, what it yielded, and the set that follows from
// that.
type observation[V any] struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}

	mu    sync.Mutex
	news  chan struct{}
	steps []step[V]
	beats int
	replay[V]
	leave   bool // break at the next Update
	err     error
	endedAt time.Time
}

// observe ranges over a watch from a Snapshot until the case ends.
func (r *run[V]) observe(c client[V], from core.Snapshot[V]) *observation[V] {
	ctx, cancel := context.WithCancelCause(r.base.Context())
	return r.observeUnder(ctx, cancel, c, from)
}

func (r *run[V]) observeUnder(ctx context.Context, cancel context.CancelCauseFunc, c client[V], from core.Snapshot[V]) *observation[V] {
	o := &observation[V]{
		cancel: cancel,
		ended:  make(chan struct{}),
		news:   make(chan struct{}),
		replay: newReplay(from),
	}
	go o.follow(ctx, c, from.Revision)
	r.base.Cleanup(func() {
		cancel(errOver)
		if !in(releaseBound+slack, func() { <-o.ended }) {
			ruled{r.base, ruleRelease}.Errorf("a watch did not end within %v after its ctx did", releaseBound)
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, w := range o.wrong {
			ruled{r.base, ruleOneError}.Errorf("%s", w)
		}
	})
	return o
}

func (o *observation[V]) follow(ctx context.Context, c client[V], after core.Revision) {
	defer close(o.ended)
	for u, err := range c.watch(ctx, after) {
		if o.take(u, err) {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endedAt = time.Now()
	if o.err == nil && !o.leave {
		o.wrong = append(o.wrong, "a watch ended without an error")
	}
	o.tell()
}

// take records one pair and reports whether to break.
func (o *observation[V]) take(u core.Update[V], err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.tell()
	if o.err != nil {
		o.wrong = append(o.wrong, "a watch went on after it had yielded an error")
	}
	if err != nil {
		if !u.Heartbeat() || u.Revision != "" {
			o.wrong = append(o.wrong, "a watch yielded an error together with an Update that is not zero")
		}
		o.err = err
		return false
	}
	o.steps = append(o.steps, step[V]{u, time.Now()})
	if u.Heartbeat() {
		o.beats++
	}
	if u.Revision == "" {
		o.wrong = append(o.wrong, "a watch yielded an Update without a Revision")
	}
	o.apply(u)
	return o.leave
}

// tell wakes who waits. The caller holds o.mu.
func (o *observation[V]) tell() {
	close(o.news)
	o.news = make(chan struct{})
}

// wait returns when cond, which is asked with o.mu held, is true; false if that
// took too long.
func (o *observation[V]) wait(within time.Duration, cond func() bool) bool {
	end := time.NewTimer(within)
	defer end.Stop()
	for {
		o.mu.Lock()
		ok, news := cond(), o.news
		o.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-news:
		case <-end.C:
			o.mu.Lock()
			defer o.mu.Unlock()
			return cond()
		}
	}
}

// inSync waits for the first heartbeat.
func (r *run[V]) inSync(o *observation[V]) {
	r.Helper()
	o.mu.Lock()
	before := o.beats
	o.mu.Unlock()
	ok := o.wait(max(r.patience, 3*r.heartbeat), func() bool { return o.beats > before || !o.endedAt.IsZero() })
	if err := o.failed(); !ok || err != nil {
		r.Fatalf("a watch of a healthy backend yielded no heartbeat (its error: %v)", err)
	}
}

// shows waits until the set that follows from the watch is the one wanted.
func (r *run[V]) shows(o *observation[V], want map[string]int) {
	r.Helper()
	diff := ""
	if !o.wait(r.patience, func() bool {
		diff = r.diff(o.set, want)
		return diff == ""
	}) {
		r.Fatalf("a watch did not show within %v what had happened (its error: %v): its set %s", r.patience, o.failed(), diff)
	}
}

// ends waits until the watch has ended and returns its error.
func (r *run[V]) ends(o *observation[V], within time.Duration, why string) error {
	r.Helper()
	if !o.wait(within, func() bool { return !o.endedAt.IsZero() }) {
		r.Fatalf("a watch did not end within %v: %s", within, why)
	}
	return o.failed()
}

func (o *observation[V]) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *observation[V]) recorded() []step[V] {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.steps)
}
