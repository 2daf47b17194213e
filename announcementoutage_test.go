package holdfast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestAnnouncement_HealsAfterAnOutageOfAnyLength(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, outage := range []time.Duration{30 * time.Second, 150 * time.Second, 10 * time.Hour} {
			t.Run(fmt.Sprintf("%v silent=%v", outage, silent), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBackend(t)
					reg := newSpy(b)
					a := announced(t, reg, AnnounceOptions{TTL: 5 * time.Second})
					reach(t, a, StateRegistered, time.Second)
					start := time.Now()
					if silent {
						b.Silence()
					} else {
						b.Cut()
					}
					reach(t, a, StateLost, 5*time.Second+time.Millisecond)
					time.Sleep(outage - time.Since(start))
					if s := a.Status(); s.State != StateLost || !errors.Is(s.Err, core.ErrUnavailable) {
						t.Errorf("in the outage: %v, %v", s.State, s.Err)
					}
					if n := len(reg.since(start)); n > int(outage/(450*time.Millisecond))+5 {
						t.Errorf("%d tries in %v", n, outage)
					}
					b.Heal()
					within := 1250 * time.Millisecond // TTL/4
					if silent {
						within = 500 * time.Millisecond
					}
					reach(t, a, StateRegistered, within+time.Millisecond)
					if s := a.Status(); s.Registrations != 2 || s.Losses != 1 || s.Err != nil {
						t.Errorf("healed: %+v", s)
					}
					wantEvents(t, a, EventRegistered, EventLost, EventRegistered)
				})
			})
		}
	}
}

func TestAnnouncement_StaysRegisteredThroughAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		for range 100 { // up and down for minutes: no storm of events
			b.Cut()
			time.Sleep(time.Second)
			b.Heal()
			time.Sleep(time.Second)
		}
		if _, ok := visible(t, b); !ok {
			t.Error("peers do not see it")
		}
		wantEvents(t, a, EventRegistered)
	})
}

// leased plays an etcd that is killed and started again: leases freeze with it,
// and have a whole TTL from when it serves again.
type leased struct {
	core.Registry // nil: no method but those below is used

	mu       sync.Mutex
	dead     bool
	broken   chan struct{} // closed when it dies
	deadline time.Time
	holes    int // registrations that had ended before they were renewed
}

func (l *leased) Origin() string { return "leased" }

func (l *leased) Register(_ context.Context, r core.Registration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return core.ErrUnavailable
	}
	if !l.deadline.IsZero() && time.Now().After(l.deadline) {
		l.holes++
	}
	l.deadline = time.Now().Add(r.TTL)
	return nil
}

func (l *leased) Deregister(context.Context, core.Registration) error { return nil }

func (l *leased) AwaitLoss(ctx context.Context, _ core.Registration) error {
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	select {
	case <-broken:
		return core.ErrUnavailable
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *leased) Watch(context.Context, string, core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return nil
}

func (l *leased) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	close(l.broken)
}

func (l *leased) start(ttl time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead, l.broken = false, make(chan struct{})
	l.deadline = time.Now().Add(ttl)
}

func TestAnnouncement_RenewsALeaseThatSurvived(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := &leased{broken: make(chan struct{})}
			a := announced(t, l, AnnounceOptions{TTL: ttl})
			reach(t, a, StateRegistered, time.Second)
			for _, outage := range []time.Duration{time.Second, 30 * time.Second, 150 * time.Second, time.Hour} {
				l.kill()
				time.Sleep(outage)
				l.start(ttl)
				time.Sleep(2 * ttl)
			}
			if s := a.Status(); s.State != StateRegistered || l.holes != 0 {
				t.Errorf("TTL %v: state %v; the registration left %d times after the backend was back", ttl, s.State, l.holes)
			}
		})
	}
}

func TestAnnouncement_RegistersOnceAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		notice, first := make(chan struct{}), true
		reg.onAwait = func(context.Context, core.Registration) (error, bool) {
			if !first {
				return nil, false
			}
			first = false
			<-notice
			return core.ErrNotFound, true
		}
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		// A process that is paused hears nothing and sends nothing: its request is
		// on the way, and so is the notice of the loss, which comes late.
		resume := make(chan struct{})
		reg.set(func() {
			reg.onRegister = func(context.Context, core.Registration) (error, bool) { <-resume; return nil, false }
		})
		time.Sleep(30 * time.Second)
		start := time.Now()
		if _, ok := visible(t, b); ok {
			t.Fatal("the registration outlived its TTL")
		}
		reg.set(func() { reg.onRegister = nil })
		close(resume)
		reach(t, a, StateRegistered, 500*time.Millisecond)
		close(notice)
		time.Sleep(4 * time.Second)
		if n := len(reg.since(start)); n > 1 {
			t.Errorf("%d requests after the pause, want at most the one after the late one", n)
		}
		wantEvents(t, a, EventRegistered, EventLost, EventRegistered)
		b.Revoke("orders", "a")
		synctest.Wait()
		if _, ok := visible(t, b); !ok {
			t.Error("a loss after the pause is not noticed")
		}
	})
}

func TestRetryIn_KeepsItsCaps(t *testing.T) {
	a := &Announcement{pace: pace{spread: 1500 * time.Millisecond}, status: AnnouncementStatus{TTL: 15 * time.Second}}
	hung := &core.Error{Kind: core.ErrUnavailable, Err: errRequestTimeout}
	for name, c := range map[string]struct {
		err        error
		registered bool
		min, max   time.Duration
	}{
		"unavailable":             {core.ErrUnavailable, false, 0, 1500 * time.Millisecond},
		"unavailable, registered": {core.ErrUnavailable, true, 0, 1500 * time.Millisecond},
		"hung":                    {hung, true, 0, 500 * time.Millisecond},
		"throttled":               {core.ErrThrottled, false, time.Second, 31 * time.Second},
		"throttled, registered":   {core.ErrThrottled, true, time.Second, 5 * time.Second},
		"denied":                  {core.ErrDenied, true, 30 * time.Second, 60 * time.Second},
	} {
		var longest time.Duration
		for n := range 2000 {
			d := a.retryIn(n/100, c.err, c.registered)
			if longest = max(longest, d); d < c.min || d > c.max {
				t.Fatalf("%s: try %d waits %v, want %v to %v", name, n/100, d, c.min, c.max)
			}
		}
		if longest < c.max*9/10 {
			t.Errorf("%s: the longest of 2000 waits is %v, the jitter goes up to %v", name, longest, c.max)
		}
	}
}

func TestAnnouncement_AnswersRefusalsSlowlyAndVisibly(t *testing.T) {
	for _, c := range []struct {
		kind     error
		min, max int // tries in ten minutes
		events   []EventKind
	}{
		{core.ErrDenied, 9, 21, []EventKind{EventDenied}},
		{core.ErrInvalid, 9, 21, []EventKind{EventDenied}},
		{core.ErrThrottled, 20, 100, nil},
	} {
		t.Run(c.kind.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(t)
				reg := newSpy(b)
				b.Refuse(c.kind)
				a := announced(t, reg, AnnounceOptions{})
				time.Sleep(10 * time.Minute)
				if n := len(reg.since(time.Time{})); n < c.min || n > c.max {
					t.Errorf("%d tries in ten minutes, want %d to %d", n, c.min, c.max)
				}
				if s := a.Status(); s.State != StatePending || !errors.Is(s.Err, c.kind) {
					t.Errorf("state %v, %v", s.State, s.Err)
				}
				wantEvents(t, a, c.events...)
				b.Heal()
				reach(t, a, StateRegistered, time.Minute)
			})
		})
	}
}

func TestAnnouncement_ThrottledIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		n := 0
		reg.onRegister = func(context.Context, core.Registration) (error, bool) {
			n++
			return core.ErrThrottled, n%3 == 2
		}
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(10 * time.Minute)
		if s := a.Status(); s.State != StateRegistered || s.Losses != 0 {
			t.Errorf("throttled now and then: %+v", s)
		}
	})
}

func TestAnnouncement_SurvivesADriverThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		bad := func(context.Context, core.Registration) (error, bool) { panic("boom") }
		reg.onRegister, reg.onAwait = bad, bad
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(time.Minute)
		wantEvents(t, a, EventPanic)
		reg.set(func() { reg.onRegister = nil })
		reach(t, a, StateRegistered, 2*time.Second)
		start := time.Now()
		time.Sleep(10 * time.Minute)
		if n := len(reg.since(start)); n > 150 {
			t.Errorf("an AwaitLoss that always fails makes %d beats in ten minutes", n)
		}
		wantEvents(t, a, EventPanic, EventRegistered)
	})
}

func TestAnnouncement_SeesThatADriverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		release := make(chan struct{})
		reg.set(func() {
			reg.onRegister = func(context.Context, core.Registration) (error, bool) { <-release; return nil, false }
		})
		start := time.Now()
		reach(t, a, StateLost, 15*time.Second+time.Millisecond)
		if s := a.Status(); !errors.Is(s.Err, core.ErrUnavailable) || len(reg.since(start)) != 1 {
			t.Errorf("a request that ignores its ctx: %v, %d requests", s.Err, len(reg.since(start)))
		}
		close(release)
		reach(t, a, StateRegistered, time.Second)
	})
}
