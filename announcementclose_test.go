package holdfast

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestClose_RemovesTheInstanceAndIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, ok := visible(t, b); ok || reg.leaves != 1 {
			t.Errorf("peers see it: %v; %d requests to deregister", ok, reg.leaves)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Close(done); err != nil {
			t.Errorf("Close after one that succeeded: %v", err)
		}
		time.Sleep(time.Minute)
		if s := a.Status(); s.State != StateClosed || s.Err != nil {
			t.Errorf("%+v", s)
		}
		if _, ok := visible(t, b); ok {
			t.Error("it came back")
		}
	})
}

func TestClose_BeforeAnythingWasWrittenAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		b.Refuse(core.ErrDenied)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{})
		time.Sleep(time.Second)
		if err := a.Close(t.Context()); err != nil || reg.leaves != 0 {
			t.Errorf("%v, %d requests to deregister", err, reg.leaves)
		}
	})
}

func TestClose_AwaitsTheBeatInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		b.Slow(300 * time.Millisecond)
		a := announced(t, b.Registry(), AnnounceOptions{})
		time.Sleep(100 * time.Millisecond)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := a.Status(); s.State != StateClosed || s.Registrations != 0 {
			t.Errorf("%+v", s)
		}
		b.Heal()
		if _, ok := visible(t, b); ok {
			t.Error("peers see it")
		}
		wantEvents(t, a)
	})
}

func TestClose_IsBoundedInAnOutage(t *testing.T) {
	for name, fault := range map[string]func(b interface {
		Cut()
		Silence()
		LoseQuorum()
	}){
		"cut": func(b interface {
			Cut()
			Silence()
			LoseQuorum()
		}) {
			b.Cut()
		},
		"silent": func(b interface {
			Cut()
			Silence()
			LoseQuorum()
		}) {
			b.Silence()
		},
		"no quorum": func(b interface {
			Cut()
			Silence()
			LoseQuorum()
		}) {
			b.LoseQuorum()
		},
	} {
		for _, after := range []time.Duration{0, 6 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(t)
				a := announced(t, b.Registry(), AnnounceOptions{})
				reach(t, a, StateRegistered, time.Second)
				fault(b)
				time.Sleep(after)
				start := time.Now()
				err := a.Close(t.Context())
				if d := time.Since(start); d > 2*time.Second {
					t.Errorf("%s: Close took %v", name, d)
				}
				wantKind(t, err, core.ErrUnavailable)
				if err == nil || !strings.Contains(err.Error(), "until its TTL of 15s") || !errors.Is(a.Status().Err, err) {
					t.Errorf("%s: error is %v", name, err)
				}
				// A Close after one that failed tries again.
				b.Heal()
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if _, ok := visible(t, b); ok {
					t.Errorf("%s: still listed", name)
				}
			})
		}
	}
}

func TestClose_IsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		b.Silence()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		wantKind(t, a.Close(ctx), context.DeadlineExceeded)
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		over, end := context.WithCancelCause(t.Context())
		why := errors.New("hurry")
		end(why)
		wantKind(t, a.Close(over), why)
		b.Heal()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClose_IsBoundedIfTheDriverIgnoresItsContext(t *testing.T) {
	for _, what := range []string{"register", "deregister", "await", "gate"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(t)
				reg := newSpy(b)
				release := make(chan struct{})
				hang := func(context.Context, core.Registration) (error, bool) { <-release; return nil, false }
				opts := AnnounceOptions{}
				switch what {
				case "register":
					reg.onRegister = hang
				case "deregister":
					reg.onLeave = hang
				case "await":
					reg.onAwait = hang
				case "gate":
					opts.Gate = func(context.Context) core.Status { <-release; return core.StatusUp }
				}
				a := announced(t, reg, opts)
				time.Sleep(4 * time.Second)
				for range 2 {
					start := time.Now()
					err := a.Close(t.Context())
					if d := time.Since(start); d > 2*time.Second {
						t.Errorf("Close took %v", d)
					}
					if listed := what == "register" || what == "deregister"; listed != (err != nil) {
						t.Errorf("Close returned %v", err)
					}
				}
				close(release)
				synctest.Wait()
				if err := a.Close(t.Context()); err != nil {
					t.Errorf("once the driver returned: %v", err)
				}
				if _, ok := visible(t, b); ok {
					t.Error("it came back")
				}
			})
		})
	}
}

func TestClose_NothingLateBringsItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		a := announced(t, b.Registry(), AnnounceOptions{})
		reach(t, a, StateRegistered, time.Second)
		held := b.Hold() // a write that gets no answer and is applied later
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		wantKind(t, a.Update(ctx, func(in *core.Instance) { in.Weight = 9 }), context.DeadlineExceeded)
		held.Pass()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		held.Release()
		if in, ok := visible(t, b); ok {
			t.Errorf("%+v came back", in)
		}
	})
}

func TestClose_LeavesTimeToDeregisterWhenABeatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{TTL: time.Minute, RequestTimeout: 10 * time.Second})
		reach(t, a, StateRegistered, time.Second)
		reg.set(func() {
			reg.onRegister = func(ctx context.Context, _ core.Registration) (error, bool) {
				<-ctx.Done()
				return context.Cause(ctx), true
			}
		})
		time.Sleep(21 * time.Second)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, ok := visible(t, b); ok {
			t.Error("still listed")
		}
	})
}

func TestClose_SendsNothingOnceTheGateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		reg := newSpy(b)
		a := announced(t, reg, AnnounceOptions{Gate: func(ctx context.Context) core.Status {
			<-ctx.Done()
			return core.StatusUp
		}})
		time.Sleep(time.Second)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := len(reg.since(time.Time{})); n != 0 {
			t.Errorf("%d requests were sent after Close", n)
		}
	})
}
