package holdfast

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestAnnouncement_RegistersAtOnceWhenItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		for range 5 {
			time.Sleep(time.Minute)
			start := time.Now()
			b.Revoke("orders", "a")
			synctest.Wait()
			if _, ok := visible(t, b); !ok || time.Since(start) != 0 {
				t.Errorf("peers see it: %v, %v after it was removed", ok, time.Since(start))
			}
		}
		wantEvents(t, a, EventRegistered, EventLost, EventRegistered, EventLost, EventRegistered,
			EventLost, EventRegistered, EventLost, EventRegistered, EventLost, EventRegistered)
		if s := a.Status(); s.Losses != 5 || s.Registrations != 6 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnnouncement_RegistersAtOnceWhenItWasOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		for _, raw := range []string{"garbage", `{"id":"a","service":"orders"}`} {
			time.Sleep(time.Minute)
			b.PutRaw("orders", "a", []byte(raw))
			synctest.Wait()
			if in, ok := visible(t, b); !ok || !in.Equal(orders) || a.Status().State != StateRegistered {
				t.Errorf("after %q peers see %+v, %v", raw, in, ok)
			}
		}
	})
}

func TestAnnouncement_WithoutLossAwaiterSeesTheLossAtTheNextBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, deaf{b.Registry()}, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		b.Revoke("orders", "a")
		time.Sleep(5 * time.Second)
		if _, ok := visible(t, b); !ok {
			t.Error("not back after TTL/3")
		}
	})
}

func TestAnnouncement_DoesNotFightSomebodyWhoRemovesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		reg.onAwait = func(context.Context, core.Registration) (error, bool) { return core.ErrNotFound, true }
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(10 * time.Minute)
		if n := len(reg.since(time.Time{})); n < 120 || n > 600 {
			t.Errorf("%d requests in ten minutes, want about one in TTL/6", n)
		}
		reg.set(func() { reg.onAwait = nil })
		reach(t, a, StateRegistered, 10*time.Second)
		time.Sleep(time.Minute)
		start := time.Now()
		b.Revoke("orders", "a")
		synctest.Wait()
		if _, ok := visible(t, b); !ok || time.Since(start) != 0 {
			t.Error("once it lasted, a loss is repaired at once again")
		}
	})
}

func TestAnnouncement_BeatsSoonWhenALossCanNotBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		time.Sleep(time.Minute)
		start := time.Now()
		b.Cut()
		b.Heal() // every connection broke, and the backend is there at once
		time.Sleep(1500 * time.Millisecond)
		if n := len(reg.since(start)); n < 1 {
			t.Error("no beat within the spread")
		}
		if reg.awaits != 2 {
			t.Errorf("AwaitLoss was called %d times, want again after the beat", reg.awaits)
		}
		wantEvents(t, a, EventRegistered)
	})
}

func TestAnnouncement_BeatsOnAsUsualWhenItMayNotSeeLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		reg.onAwait = func(context.Context, core.Registration) (error, bool) { return core.ErrDenied, true }
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(10 * time.Minute)
		if n := len(reg.since(time.Time{})); n > 136 || reg.awaits > 21 {
			t.Errorf("%d beats and %d AwaitLoss in ten minutes", n, reg.awaits)
		}
		if s := a.Status(); s.State != StateRegistered {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnnouncement_GivesWayToANewerOwnerAndReturnsWhenItIsGone(t *testing.T) {
	for _, able := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBackend(t)
			old, oldReg := (*Announcement)(nil), newSpy(b)
			if able {
				old = announced(t, oldReg, AnnounceOptions{})
			} else {
				old = announced(t, deaf{oldReg}, AnnounceOptions{})
			}
			reach(t, old, StateRegistered, time.Second)
			time.Sleep(time.Minute)

			young := announced(t, b.Registry(), AnnounceOptions{})
			reach(t, young, StateRegistered, time.Second)
			took := reach(t, old, StateConflict, 5*time.Second)
			if able && took != 0 {
				t.Errorf("the older one noticed after %v", took)
			}
			start := time.Now()
			time.Sleep(10 * time.Minute)
			if n := len(oldReg.since(start)); n < 30 || n > 52 {
				t.Errorf("the older one made %d tries in 40 TTLs, want about one each", n)
			}
			if s := old.Status(); s.State != StateConflict || !errors.Is(s.Err, core.ErrConflict) {
				t.Errorf("older: %v, %v", s.State, s.Err)
			}
			if s := young.Status(); s.State != StateRegistered || s.Losses != 0 {
				t.Errorf("younger: %+v", s)
			}
			wantEvents(t, old, EventRegistered, EventConflict)

			// Removing what another one holds is no business of the older one.
			if err := young.Close(t.Context()); err != nil {
				t.Error(err)
			}
			reach(t, old, StateRegistered, 18*time.Second)
			wantEvents(t, old, EventRegistered, EventConflict, EventRegistered)
		})
	}
}

func TestAnnouncement_OfAnOlderOwnerDoesNotRemoveTheNewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		old := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, old, StateRegistered, time.Second)
		time.Sleep(time.Second)
		young := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, young, StateRegistered, time.Second)
		if err := old.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, ok := visible(t, b); !ok {
			t.Error("the newer one is gone")
		}
	})
}

func TestAnnouncement_HealsAfterTheBackendLostItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		time.Sleep(time.Minute)
		b.Cut()
		time.Sleep(5 * time.Second)
		b.Wipe()
		b.Heal()
		time.Sleep(1500 * time.Millisecond)
		if _, ok := visible(t, b); !ok || a.Status().State != StateRegistered {
			t.Error("not back within the spread")
		}
	})
}

func TestAnnouncement_InConflictStaysSlowThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		time.Sleep(time.Second)
		reach(t, announced(t, b.Registry(), AnnounceOptions{}), StateRegistered, time.Second)
		reach(t, a, StateConflict, time.Second)
		start := time.Now()
		b.Cut()
		time.Sleep(10 * time.Minute)
		if n := len(reg.since(start)); n < 30 || n > 52 {
			t.Errorf("%d tries in 40 TTLs, want about one each", n)
		}
		if s := a.Status(); s.State != StateConflict || !errors.Is(s.Err, core.ErrUnavailable) {
			t.Errorf("%v, %v", s.State, s.Err)
		}
		wantEvents(t, a, EventRegistered, EventConflict)
	})
}

func TestAnnouncement_TakesABeatsWordThatItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, deaf{reg}, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		once := true
		reg.set(func() {
			reg.onRegister = func(context.Context, core.Registration) (error, bool) {
				defer func() { once = false }()
				return core.ErrNotFound, once
			}
		})
		time.Sleep(6 * time.Second)
		reach(t, a, StateRegistered, time.Millisecond)
		wantEvents(t, a, EventRegistered, EventLost, EventRegistered)
	})
}

func TestAnnouncement_WithoutASpreadBeatsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{RecoverySpread: -1})
		reach(t, a, StateRegistered, time.Second)
		time.Sleep(time.Second)
		start := time.Now()
		b.Cut()
		synctest.Wait()
		if n := len(reg.since(start.Add(-1))); n < 1 {
			t.Error("no beat at once")
		}
		time.Sleep(10 * time.Minute)
		b.Heal()
		reach(t, a, StateRegistered, 501*time.Millisecond)
	})
}

func TestAnnouncement_RegistersAtOnceWhenItIsRemovedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		start := time.Now()
		for range quickLosses {
			b.Revoke("orders", "a")
			synctest.Wait()
		}
		if _, ok := visible(t, b); !ok || time.Since(start) != 0 {
			t.Errorf("peers see it: %v, after %v", ok, time.Since(start))
		}
	})
}
