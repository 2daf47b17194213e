package holdfast

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestGate_TheWorseStatusIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		says := make(chan core.Status, 1)
		a := announced(t, b.Registry(), AnnounceOptions{Gate: func(context.Context) core.Status {
			s := <-says
			says <- s
			return s
		}})
		for _, c := range []struct{ gate, own, want core.Status }{
			{core.StatusUp, core.StatusUp, core.StatusUp},
			{core.StatusDraining, core.StatusUp, core.StatusDraining},
			{core.StatusUp, core.StatusDraining, core.StatusDraining},
			{core.StatusDown, core.StatusDraining, core.StatusDown},
			{core.StatusDraining, core.StatusDown, core.StatusDown},
			{9, core.StatusUp, core.StatusDown},
			{core.StatusUp, core.StatusUp, core.StatusUp},
		} {
			select {
			case <-says:
			default:
			}
			says <- c.gate
			if err := a.Update(t.Context(), func(in *core.Instance) { in.Status = c.own }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			in, ok := visible(t, b)
			if !ok || in.Status != c.want || a.Status().Instance.Status != c.want {
				t.Errorf("gate %v, own %v: peers see %v, status says %v, want %v", c.gate, c.own, in.Status, a.Status().Instance.Status, c.want)
			}
		}
		wantEvents(t, a, EventRegistered)
	})
}

func TestGate_ThatPanicsCountsAsDownUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		start := time.Now()
		a := announced(t, b.Registry(), AnnounceOptions{Gate: func(context.Context) core.Status {
			if time.Since(start) < time.Minute {
				panic("boom")
			}
			return core.StatusUp
		}})
		time.Sleep(30 * time.Second)
		if in, ok := visible(t, b); !ok || in.Status != core.StatusDown {
			t.Errorf("peers see %v, %v", in.Status, ok)
		}
		time.Sleep(36 * time.Second)
		if in, ok := visible(t, b); !ok || in.Status != core.StatusUp {
			t.Errorf("peers see %v, %v", in.Status, ok)
		}
		wantEvents(t, a, EventPanic, EventRegistered)
	})
}

func TestGate_ThatHangsCountsAsDownAndCostsNoRegistration(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		for _, ttl := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(t)
				release := make(chan struct{})
				var calls, most atomic.Int32
				a := announced(t, b.Registry(), AnnounceOptions{TTL: ttl, Gate: func(ctx context.Context) core.Status {
					if n := calls.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer calls.Add(-1)
					if heeds {
						select {
						case <-release:
						case <-ctx.Done():
						}
					} else {
						<-release
					}
					return core.StatusUp
				}})
				time.Sleep(10 * time.Minute)
				in, ok := visible(t, b)
				if s := a.Status(); !ok || s.Losses != 0 {
					t.Errorf("TTL %v: peers see %v, %v; %+v", ttl, in, ok, s)
				}
				if !heeds && in.Status != core.StatusDown {
					t.Errorf("TTL %v: status %v, want down", ttl, in.Status)
				}
				if n := most.Load(); n != 1 {
					t.Errorf("the gate was called %d times at once", n)
				}
				close(release)
				time.Sleep(ttl)
				if in, _ := visible(t, b); in.Status != core.StatusUp {
					t.Errorf("TTL %v: once it answers, status is %v", ttl, in.Status)
				}
			})
		}
	}
}
