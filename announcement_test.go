package holdfast

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

func TestAnnounce_RefusesAMistakeAtOnce(t *testing.T) {
	b := newBackend(t)
	good := b.Registry()
	for name, c := range map[string]struct {
		reg  core.Registry
		in   core.Instance
		opts AnnounceOptions
		says string
	}{
		"nil registry":       {nil, orders, AnnounceOptions{}, "registry is nil"},
		"typed nil registry": {(*memory.Registry)(nil), orders, AnnounceOptions{}, "registry is nil"},
		"no service":         {good, core.Instance{Endpoints: orders.Endpoints}, AnnounceOptions{}, "no Service"},
		"no endpoint":        {good, core.Instance{ID: "a", Service: "orders"}, AnnounceOptions{}, "no Endpoints"},
		"any address": {good, core.Instance{Service: "orders", Endpoints: []string{"http://[::]:80"}},
			AnnounceOptions{}, "for listening"},
		"negative weight": {good, core.Instance{Service: "orders", Endpoints: orders.Endpoints, Weight: -1},
			AnnounceOptions{}, "weight"},
		"short TTL":        {good, orders, AnnounceOptions{TTL: 999 * time.Millisecond}, "TTL"},
		"negative timeout": {good, orders, AnnounceOptions{RequestTimeout: -1}, "RequestTimeout"},
	} {
		a, err := Announce(c.reg, c.in, c.opts)
		if a != nil || !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, %v; want an invalid that says %q", name, a, err, c.says)
		}
	}
	if n := b.Requests(); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestAnnounce_NeverFailsOrWaitsForADeadBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		b.Silence()
		start := time.Now()
		a := announced(t, b.Registry(), AnnounceOptions{})
		if d := time.Since(start); d != 0 {
			t.Errorf("Announce took %v", d)
		}
		time.Sleep(time.Minute)
		s := a.Status()
		if s.State != StatePending || !errors.Is(s.Err, core.ErrUnavailable) {
			t.Errorf("state %v with %v, want pending and unavailable", s.State, s.Err)
		}
		b.Heal()
		reach(t, a, StateRegistered, 1500*time.Millisecond)
		wantEvents(t, a, EventRegistered)
	})
}

func TestAnnouncement_ShowsItselfAndBeatsThreeTimesATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		in := orders
		in.ID = ""
		a, err := Announce(reg, in, AnnounceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := a.Status()
		if s.State != StateRegistered || s.Instance.ID != "10.0.0.7:8080" || s.TTL != 15*time.Second ||
			s.Origin != "memory" || s.Registrations != 1 || s.Owner == "" || s.RegisteredAt.IsZero() {
			t.Errorf("status is %+v", s)
		}
		start := time.Now()
		time.Sleep(10 * time.Minute)
		if n := len(reg.since(start)); n < 120 || n > 135 {
			t.Errorf("%d beats in 40 TTLs, want three or a little more each", n)
		}
		s = a.Status()
		if s.Registrations != 1 || s.Losses != 0 || time.Since(s.ConfirmedAt) > 5*time.Second || s.Err != nil {
			t.Errorf("after ten minutes: %+v", s)
		}
		if reg.awaits != 1 {
			t.Errorf("AwaitLoss was called %d times, want once", reg.awaits)
		}
		wantEvents(t, a, EventRegistered)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := a.WaitState(t.Context(), StateClosed); err != nil {
			t.Error(err)
		}
		wantKind(t, a.WaitState(t.Context(), StateRegistered), core.ErrClosed)
	})
}

func TestUpdate_IsSeenByPeersWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		start := time.Now()
		err := a.Update(t.Context(), func(in *core.Instance) {
			in.Status = core.StatusDraining
			in.Metadata = map[string]string{"k": "v"}
		})
		in, _ := visible(t, b)
		if err != nil || in.Status != core.StatusDraining || in.Metadata["k"] != "v" || time.Since(start) != 0 {
			t.Errorf("after Update (%v, %v) peers see %+v", err, time.Since(start), in)
		}
		requests := b.Requests()
		if err := a.Update(t.Context(), func(*core.Instance) {}); err != nil || b.Requests() != requests {
			t.Errorf("an update that changes nothing: %v, %d requests", err, b.Requests()-requests)
		}
		wantEvents(t, a, EventRegistered)
	})
}

func TestUpdate_RefusesAMistakeAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		for name, change := range map[string]func(in *core.Instance){
			"ID":       func(in *core.Instance) { in.ID = "b" },
			"Service":  func(in *core.Instance) { in.Service = "b" },
			"endpoint": func(in *core.Instance) { in.Endpoints[0] = "http://0.0.0.0:80" },
			"status":   func(in *core.Instance) { in.Status = 9 },
		} {
			if err := a.Update(t.Context(), change); !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%s: %v, want invalid", name, err)
			}
		}
		if s := a.Status(); !s.Instance.Equal(orders) {
			t.Errorf("announced is %+v", s.Instance)
		}
	})
}

func TestUpdate_DuringAnOutageIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		b.Cut()
		start := time.Now()
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := a.Update(ctx, func(in *core.Instance) { in.Weight += 2 })
			cancel()
			wantKind(t, err, context.DeadlineExceeded)
		}
		if n := len(reg.since(start)); n > 12 {
			t.Errorf("20 updates in the 1 s after a loss made %d requests; they must not hasten the retries", n)
		}
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantKind(t, a.Update(ctx, func(in *core.Instance) { in.Weight += 2 }), core.ErrUnavailable)
		b.Heal()
		reach(t, a, StateRegistered, 1500*time.Millisecond)
		if in, _ := visible(t, b); in.Weight != 42 {
			t.Errorf("peers see weight %d, want 42", in.Weight)
		}
	})
}

func TestUpdate_ThatTheBackendCanNeverTakeLeavesWhatWasThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		tooLarge := func(_ context.Context, r core.Registration) (error, bool) {
			if len(r.Instance.Metadata["blob"]) > 10 {
				return &core.Error{Driver: "spy", Op: "register", Kind: core.ErrInvalid, Err: errors.New("too large")}, true
			}
			return nil, false
		}
		reg.onRegister = tooLarge
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		err := a.Update(t.Context(), func(in *core.Instance) {
			in.Metadata = map[string]string{"blob": strings.Repeat("x", 11)}
		})
		wantKind(t, err, core.ErrInvalid)
		time.Sleep(5 * time.Minute)
		s := a.Status()
		if s.State != StateRegistered || s.Losses != 0 || s.Err != nil || len(s.Instance.Metadata) != 0 {
			t.Errorf("after a refused change: %+v", s)
		}
		if err := a.Update(t.Context(), func(in *core.Instance) { in.Weight = 7 }); err != nil {
			t.Error(err)
		}
	})
}

func TestUpdate_RepairsWhatTheBackendRefusedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		reg.onRegister = func(_ context.Context, r core.Registration) (error, bool) {
			return core.ErrInvalid, r.Instance.Zone == ""
		}
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(5 * time.Minute)
		if n, s := len(reg.since(time.Time{})), a.Status(); n < 5 || n > 11 || !errors.Is(s.Err, core.ErrInvalid) {
			t.Errorf("%d tries in five minutes with %v, want one each 30 to 60 s, and invalid", n, s.Err)
		}
		wantEvents(t, a, EventDenied)
		start := time.Now()
		wantKind(t, a.Update(t.Context(), func(in *core.Instance) { in.Version = "2" }), core.ErrInvalid)
		if err := a.Update(t.Context(), func(in *core.Instance) { in.Zone = "x" }); err != nil || time.Since(start) != 0 {
			t.Errorf("the repair took %v: %v", time.Since(start), err)
		}
	})
}

func TestUpdate_SeveralWhileARequestIsUnderWayAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		time.Sleep(time.Second)
		b.Slow(100 * time.Millisecond)
		start := time.Now()
		var updates sync.WaitGroup
		for range 50 {
			updates.Go(func() {
				if err := a.Update(t.Context(), func(in *core.Instance) { in.Weight += 2 }); err != nil {
					t.Error(err)
				}
			})
		}
		updates.Wait()
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("two requests of 100 ms took %v", d)
		}
		if n := len(reg.since(start.Add(-1))); n > 2 || a.Status().Instance.Weight != 100 {
			t.Errorf("%d requests, weight %d; want at most 2, and 100", n, a.Status().Instance.Weight)
		}
		b.Heal()
		if in, _ := visible(t, b); in.Weight != 100 {
			t.Errorf("peers see weight %d, want 100", in.Weight)
		}
	})
}

func TestUpdate_ThatPanicsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic of the caller's own func did not reach the caller")
				}
			}()
			_ = a.Update(t.Context(), func(in *core.Instance) { in.Weight = 9; panic("boom") })
		}()
		if err := a.Update(t.Context(), func(in *core.Instance) { in.Zone = "x" }); err != nil || a.Status().Instance.Weight != 0 {
			t.Errorf("%v, %+v", err, a.Status().Instance)
		}
	})
}

func TestAnnouncement_LogsEachChangeOnceAndNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		b.Cut()
		var text bytes.Buffer
		a, err := Announce(b.Registry(), orders, AnnounceOptions{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		b.Refuse(core.ErrDenied)
		time.Sleep(10 * time.Minute)
		b.Heal()
		b.Refuse(core.ErrDenied)
		time.Sleep(10 * time.Minute)
		b.Heal()
		reach(t, a, StateRegistered, time.Minute+time.Second)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "level=ERROR") ||
			!strings.Contains(lines[2], "level=INFO") {
			t.Errorf("want one warning (unavailable), one error (denied), one success; got:\n%s", &text)
		}
	})
}

func TestUpdate_AfterCloseIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		b.Silence()
		late := make(chan error, 1)
		go func() { late <- a.Update(t.Context(), func(in *core.Instance) { in.Weight = 3 }) }()
		synctest.Wait()
		_ = a.Close(t.Context())
		wantKind(t, <-late, core.ErrClosed)
		wantKind(t, a.Update(t.Context(), func(*core.Instance) {}), core.ErrClosed)
	})
}

func TestState_Text(t *testing.T) {
	for s, want := range map[State]string{
		StatePending: "pending", StateRegistered: "registered", StateLost: "lost", StateConflict: "conflict",
		StateClosed: "closed", 9: "state(9)",
	} {
		if b, err := s.MarshalText(); err != nil || string(b) != want || s.String() != want {
			t.Errorf("state %d reads %q, %q, %v; want %q", s, s, b, err, want)
		}
	}
}
