package holdfast_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

func TestStart_RefusesMistakesOfTheProgram(t *testing.T) {
	b := memory.New(memory.Options{})
	defer b.Close()
	good := holdfast.Options{Name: "orders", Config: b.ConfigSource("/c/"), Registry: b.Registry(), Logger: slog.New(slog.DiscardHandler)}
	for name, c := range map[string]struct {
		spoil func(*holdfast.Options)
		says  string
	}{
		"no name":             {func(o *holdfast.Options) { o.Name = "" }, "Options.Name"},
		"no backend":          {func(o *holdfast.Options) { o.Config, o.Registry = nil, nil }, "neither Registry nor Config"},
		"nil pointer source":  {func(o *holdfast.Options) { o.Config = (*memory.ConfigSource)(nil) }, "Options.Config"},
		"nil pointer reg":     {func(o *holdfast.Options) { o.Registry = (*memory.Registry)(nil) }, "Options.Registry"},
		"negative TTL":        {func(o *holdfast.Options) { o.TTL = -1 }, "Options.TTL"},
		"negative timeout":    {func(o *holdfast.Options) { o.RequestTimeout = -1 }, "Options.RequestTimeout"},
		"level without cause": {func(o *holdfast.Options) { o.Config, o.RequireLevel = nil, core.Live }, "RequireLevel"},
		"no such level":       {func(o *holdfast.Options) { o.RequireLevel = 99 }, "RequireLevel"},
	} {
		o := good
		c.spoil(&o)
		svc, err := holdfast.Start(t.Context(), o)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want ErrInvalid that says %q", name, err, c.says)
		}
		if svc != nil {
			t.Errorf("%s: a service came with the error", name)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := holdfast.Start(canceled, good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestBind_RefusesMistakesOfTheProgram(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		bind(t, svc, "taken", 1)
		bindErr := func(path string, def limits) error {
			_, err := holdfast.Bind(svc.Config(), path, def)
			return err
		}
		for name, err := range map[string]error{
			"default refused": bindErr("a", limits{}),
			"slash first":     bindErr("/a", defaultLimits),
			"slash last":      bindErr("a/", defaultLimits),
			"empty part":      bindErr("a//b", defaultLimits),
			"taken":           bindErr("taken", defaultLimits),
			"channel": func() error {
				_, err := holdfast.Bind(svc.Config(), "c", struct{ C chan int }{})
				return err
			}(),
			"nil config": func() error { _, err := holdfast.Bind[int](nil, "c", 1); return err }(),
		} {
			if !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
		closeService(t, svc)
		if err := bindErr("late", defaultLimits); !errors.Is(err, core.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := svc.Announce(core.Instance{Endpoints: []string{"http://127.0.0.1:1"}}); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("announce without a registry: %v", err)
		}
		if _, err := svc.Endpoints("inventory").Pick(t.Context()); err == nil {
			t.Error("a pick without a registry succeeded")
		}
		if err := svc.WaitLevel(t.Context(), core.Live); !errors.Is(err, core.ErrClosed) {
			t.Errorf("WaitLevel after Close: %v", err)
		}
		closeService(t, svc)
	})
}

func TestService_LivesThroughAnOutageAsAWhole(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		both := func(o *holdfast.Options) { o.Registry, o.TTL = w.backend.Registry(), 5*time.Second }
		svc := w.start(both)
		peer := w.start(both, func(o *holdfast.Options) { o.Name, o.Cache = "inventory", nil })
		v := bind(t, svc, "limits", defaultLimits)
		ann, err := peer.Announce(core.Instance{Endpoints: []string{"http://127.0.0.1:8080"}})
		if err != nil {
			t.Fatal(err)
		}
		inventory := svc.Endpoints("inventory")
		settle()
		if st := svc.Status(); st.Level != core.Live || st.Degraded {
			t.Fatalf("level %v, degraded %v", st.Level, st.Degraded)
		}

		w.backend.Silence()
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := svc.Status(); st.Level != core.Memory || !st.Degraded || v.Get().MaxItems != 7 {
			t.Errorf("during the outage: level %v, degraded %v, value %v", st.Level, st.Degraded, v.Get())
		}
		if p, err := inventory.Pick(t.Context()); err != nil || p.Instance().ID != "127.0.0.1:8080" {
			t.Errorf("pick during the outage: %v, %v", p, err)
		}
		if st := peer.Status(); !st.Degraded || st.Announcements[0].State == holdfast.StateRegistered {
			t.Errorf("peer during the outage: %+v", st.Announcements[0])
		}

		w.backend.Heal()
		began := time.Now()
		if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
			t.Fatal(err)
		}
		if err := ann.WaitState(t.Context(), holdfast.StateRegistered); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("healed after %v", d)
		}
		settle()
		if len(inventory.Instances()) != 1 || svc.Status().Degraded {
			t.Errorf("after the outage: %v", svc.Status())
		}
		closeService(t, peer)
		synctest.Wait()
		if n := len(inventory.Instances()); n != 0 {
			t.Errorf("%d instances after the peer closed, want 0", n)
		}
		closeService(t, svc)
	})
}

func TestService_CloseIsBoundedWhenTheBackendIsSilent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start(func(o *holdfast.Options) { o.Registry = w.backend.Registry() })
		if _, err := svc.Announce(core.Instance{Endpoints: []string{"http://127.0.0.1:8080"}}); err != nil {
			t.Fatal(err)
		}
		settle()
		w.backend.Silence()
		began := time.Now()
		if err := svc.Close(t.Context()); err == nil {
			t.Error("Close says that the instance was deregistered")
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestService_LoggerMayAskTheService(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var started atomic.Pointer[holdfast.Service]
		h := &asking{ask: func() {
			if svc := started.Load(); svc != nil {
				svc.Status()
			}
		}}
		svc := w.start(func(o *holdfast.Options) { o.Logger = slog.New(h); o.Registry = w.backend.Registry() })
		started.Store(svc)
		bind(t, svc, "limits", defaultLimits)
		svc.Endpoints("inventory")
		settle()
		w.backend.Cut()
		settle()
		w.backend.Heal()
		settle()
		if h.lines.Load() == 0 {
			t.Error("nothing was logged")
		}
		closeService(t, svc)
	})
}

// asking is a handler that looks at the service from inside a log line.
type asking struct {
	slog.Handler
	ask   func()
	lines atomic.Int64
}

func (a *asking) Enabled(context.Context, slog.Level) bool { return true }

func (a *asking) Handle(context.Context, slog.Record) error {
	a.lines.Add(1)
	a.ask()
	return nil
}
