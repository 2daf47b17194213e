package health

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// check is a Checker in a set: at most one run under way, and the last outcome.
type check struct {
	set     *Set
	checker Checker
	opts    CheckOptions
	born    time.Time
	last    atomic.Pointer[State] // never nil; stored under mu

	mu       sync.Mutex
	gone     bool // unregistered, or the set is closed: nothing begins and nothing changes any more
	run      *run // under way; nil if none is
	inARow   int  // failures since the last success
	schedule *time.Timer
}

func newCheck(s *Set, name string, checker Checker, opts CheckOptions) *check {
	c := &check{set: s, checker: checker, opts: opts, born: time.Now()}
	c.last.Store(&State{Name: name, Groups: opts.Groups, Optional: opts.Optional})
	return c
}

func (c *check) name() string { return c.last.Load().Name }

// begin makes sure that there is an outcome soon, and returns the run to await for
// it: nil if what is known will do.
func (c *check) begin(now time.Time) *run {
	if c.fresh(now) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.run != nil:
		return c.run // settled already if it hangs
	case c.gone || c.fresh(now):
		return nil
	}
	return c.start()
}

// fresh reports whether the last outcome will do. It takes no lock: a probe of
// checks that were asked a moment ago costs next to nothing.
func (c *check) fresh(now time.Time) bool {
	s := c.last.Load()
	return s.Runs > 0 && (c.opts.Every > 0 || now.Before(s.until))
}

// tick is a background run that is due.
func (c *check) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone && c.run == nil {
		c.start()
	}
}

// end makes the check do nothing any more.
func (c *check) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.schedule != nil {
		c.schedule.Stop()
	}
	if c.run != nil {
		c.run.cancel(errGone)
	}
}

// start begins a run. The caller holds mu, and has seen that none is under way.
func (c *check) start() *run {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &run{began: time.Now(), settled: make(chan struct{}), cancel: cancel}
	r.limit = time.AfterFunc(c.opts.Timeout, func() { c.expire(r) })
	c.run = r
	c.set.tasks.run(c.name(), func() {
		defer cancel(nil)
		ctx, release := context.WithDeadlineCause(ctx, r.began.Add(c.opts.Timeout), ErrTimeout)
		defer release()
		c.work(ctx, r)
	})
	return r
}

// expire is the moment at which the limit of a run has passed.
func (c *check) expire(r *run) {
	c.tell(func() Change {
		if c.run != r || c.gone {
			r.settle()
			return Change{}
		}
		r.expired = true
		ch := c.publish(outcome{err: timeout{c.opts.Timeout}}, c.opts.Timeout)
		r.settle()
		if c.last.Load().Status != Down {
			r.limit.Reset(c.opts.Timeout) // it fails once more if it still hangs then
		}
		return ch
	})
}

// finish takes what a run found.
func (c *check) finish(r *run, o outcome) {
	c.tell(func() Change {
		r.limit.Stop()
		c.run = nil
		var ch Change
		if !r.expired && !c.gone {
			ch = c.publish(o, time.Since(r.began))
		}
		r.settle()
		if c.opts.Every > 0 && !c.gone {
			c.schedule = time.AfterFunc(max(0, time.Until(r.began.Add(c.opts.Every))), c.tick)
		}
		return ch
	})
}

// publish makes the next state of an outcome. The caller holds mu.
func (c *check) publish(o outcome, took time.Duration) Change {
	prev, now := c.last.Load(), time.Now()
	s := *prev
	s.Runs++
	s.At, s.Took, s.until = now, took, now.Add(c.opts.CacheFor)
	s.Status, s.Degraded, s.Reasons, s.Err, s.Details = Up, o.degraded, o.reasons, o.err, o.details
	if o.err == nil {
		c.inARow = 0
		s.Passed = true
	} else {
		c.inARow++
		s.Failed++
		s.Reasons = append([]string{Kind(o.err)}, o.reasons...)
		switch {
		case s.Passed && c.inARow < c.opts.Failures:
			s.Degraded = true
			s.Reasons = append(s.Reasons, fmt.Sprintf("failed %d of %d times in a row", c.inARow, c.opts.Failures))
		case !s.Passed && now.Sub(c.born) < c.opts.Grace:
			s.Degraded = true
			s.Reasons = append(s.Reasons, "it is still starting")
		default:
			s.Status, s.Degraded = Down, false
		}
	}
	if s.Status != prev.Status {
		s.Since = now
	}
	c.last.Store(&s)
	if s.Status == prev.Status && s.Degraded == prev.Degraded {
		return Change{}
	}
	ch := Change{From: prev, To: &s}
	c.set.listeners.send(ch)
	return ch
}

// tell changes the check under its lock, and logs what changed outside of it: a
// log handler may ask for a report.
func (c *check) tell(f func() Change) {
	c.mu.Lock()
	ch := f()
	c.mu.Unlock()
	if ch.To != nil {
		ch.log(c.set.log)
	}
}
