package holdfast_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

func TestStart_RefusedWhileDownServesTheCacheAndLeavesIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		before := w.records(t)
		if len(before) != 1 {
			t.Fatalf("%d records in the cache, want 1", len(before))
		}

		w.put("limits/max_items", "nonsense")
		svc = w.start()
		v := bind(t, svc, "limits", defaultLimits)
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Cached)
		if v.Status().Err == nil {
			t.Error("Err is nil")
		}
		settle()
		closeService(t, svc)
		if diff := cmp.Diff(before, w.records(t)); diff != "" {
			t.Errorf("the cache was touched:\n%s", diff)
		}
	})
}

func TestStart_WithDeadBackend(t *testing.T) {
	for name, fault := range map[string]func(*memory.Backend){"refused": (*memory.Backend).Cut, "silent": (*memory.Backend).Silence} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.put("limits/max_items", "7")
				svc := w.start()
				bind(t, svc, "limits", defaultLimits)
				closeService(t, svc)

				fault(w.backend)
				began := time.Now()
				svc = w.start()
				if d, most := time.Since(began), map[string]time.Duration{"refused": 0, "silent": 250 * time.Millisecond}[name]; d > most {
					t.Errorf("Start with a cache took %v, want at most %v", d, most)
				}
				time.Sleep(time.Hour)
				v := bind(t, svc, "limits", defaultLimits)
				wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Cached)
				if age := v.Status().Age; age < time.Hour || age > 2*time.Hour {
					t.Errorf("age of the cached value is %v, want a little over 1 h", age)
				}
				if age := svc.Status().Config.Age; age < time.Hour || age > 2*time.Hour {
					t.Errorf("age of the cached configuration is %v, want a little over 1 h", age)
				}
				w.backend.Heal()
				settle()
				wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Live)
				closeService(t, svc)

				fault(w.backend)
				began = time.Now()
				svc = w.start(func(o *holdfast.Options) { o.Cache = nil })
				if d := time.Since(began); d != 2*time.Second {
					t.Errorf("Start without a cache took %v, want the budget of 2s", d)
				}
				wantValue(t, bind(t, svc, "limits", defaultLimits), defaultLimits, core.Default)
				closeService(t, svc)

				_, err := holdfast.Start(t.Context(), holdfast.Options{Name: "orders", Config: w.backend.ConfigSource("/config/orders/"),
					RequireLevel: core.Replica, Logger: slog.New(slog.DiscardHandler)})
				if !errors.Is(err, core.ErrUnavailable) {
					t.Errorf("Start that requires a level: %v, want ErrUnavailable", err)
				}
			})
		})
	}
}

func TestConfig_OutageIsMemoryThenLiveAndOneEventEach(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		w.backend.Cut()
		time.Sleep(time.Hour)
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Memory)
		if age := v.Status().Age; age < time.Hour {
			t.Errorf("age after an hour without backend: %v", age)
		}
		w.put("limits/max_items", "8")
		w.backend.Compact()
		w.backend.Heal()
		began := time.Now()
		if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 1500*time.Millisecond {
			t.Errorf("live again after %v, want at most the spread of 1.5s", d)
		}
		synctest.Wait()
		wantValue(t, v, limits{MaxItems: 8, Timeout: time.Second}, core.Live)
		var levels []string
		for _, e := range svc.Status().Timeline {
			if e.Kind == holdfast.EventLevel {
				levels = append(levels, e.From.String()+" "+e.To.String())
			}
		}
		if diff := cmp.Diff([]string{"none live", "live memory", "memory live"}, levels); diff != "" {
			t.Errorf("level events (-want +got):\n%s", diff)
		}
		requests := w.backend.Requests()
		time.Sleep(time.Minute)
		if n := w.backend.Requests() - requests; n > 0 {
			t.Errorf("%d requests in an idle minute after recovery", n)
		}
	})
}

func TestConfig_WipedBackendIsHeldUntilKeysReturnOrAreAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7", "a", "1", "b", "2", "c", "3")
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		a := bind(t, svc, "a", "none")
		w.backend.Wipe()
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Memory)
		if st := svc.Config().Status(); st.Level != core.Memory || st.Held != 4 || !v.Status().Held {
			t.Errorf("level %v, held %d; want memory and 4", st.Level, st.Held)
		}
		w.put("limits/max_items", "8")
		wantValue(t, v, limits{MaxItems: 8, Timeout: time.Second}, core.Live)
		wantValue(t, a, "1", core.Memory)
		settle()
		if err := svc.Config().AcceptMissing(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantValue(t, a, "none", core.Default)
		if st := svc.Config().Status(); st.Level != core.Live || st.Held != 0 {
			t.Errorf("after AcceptMissing: level %v, held %d", st.Level, st.Held)
		}
	})
}

func TestConfig_HoldsCachedKeysThatAWipedBackendLacksAtStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		w.backend.Cut()
		svc = w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		w.backend.Wipe()
		w.backend.Heal()
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Memory)
	})
}

func TestConfig_ListAfterTroubleRemovesGhosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("a", "1", "b", "2", "c", "3")
		svc := w.start()
		defer closeService(t, svc)
		a, b := bind(t, svc, "a", "none"), bind(t, svc, "b", "none")
		w.backend.Cut()
		w.remove("a")
		w.backend.Heal()
		settle()
		wantValue(t, a, "none", core.Default)
		wantValue(t, b, "2", core.Live)
	})
}

func TestConfig_DeletedKeyIsTheDefaultAlsoAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		v := bind(t, svc, "limits", defaultLimits)
		settle()
		w.remove("limits/max_items")
		wantValue(t, v, defaultLimits, core.Default)
		closeService(t, svc)
		w.backend.Cut()
		svc = w.start()
		defer closeService(t, svc)
		wantValue(t, bind(t, svc, "limits", defaultLimits), defaultLimits, core.Default)
	})
}

func TestConfig_StagingsCacheIsNotServedToProduction(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		w.backend.Cut()
		for name, change := range map[string]func(*holdfast.Options){
			"another source": func(o *holdfast.Options) { o.Config = w.backend.ConfigSource("/production/orders/") },
			"another scope":  func(o *holdfast.Options) { o.CacheScope = "production" },
		} {
			svc = w.start(change)
			v := bind(t, svc, "limits", defaultLimits)
			if v.Get() != defaultLimits {
				t.Errorf("%s: staging's value was served", name)
			}
			closeService(t, svc)
		}
	})
}

func TestConfig_ReplicaServesAtStartAndYieldsToLive(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		w.backend.LoseQuorum()
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Replica)
		w.backend.Heal()
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Live)
		w.backend.LoseQuorum()
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Memory)
	})
}

func TestConfig_DeniedIsShownAndRetriedSlowly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.backend.Refuse(core.ErrDenied)
		svc := w.start()
		defer closeService(t, svc)
		before := w.backend.Requests()
		time.Sleep(10 * time.Minute)
		if n := w.backend.Requests() - before; n < 9 || n > 21 {
			t.Errorf("%d tries in 10 minutes, want one each 30 to 60 s", n)
		}
		if err := svc.Status().Config.Err; !errors.Is(err, core.ErrDenied) {
			t.Errorf("Err is %v", err)
		}
		if st := svc.Status(); len(st.Timeline) != 2 || st.Events[holdfast.EventDenied] != 1 {
			t.Errorf("want one event for the refusal and one for the level: %v", st.Timeline)
		}
	})
}

func TestConfig_AFullListHealsWhatAWatchLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		src := &losing{ConfigSource: w.backend.ConfigSource("/config/orders/")}
		svc := w.start(func(o *holdfast.Options) { o.Config = src })
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		src.lose.Store(true)
		w.put("limits/max_items", "7")
		wantValue(t, v, defaultLimits, core.Default)
		src.lose.Store(false)
		time.Sleep(6*time.Minute + time.Second)
		synctest.Wait()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Live)
		if n := svc.Status().Events[holdfast.EventLevel]; n != 1 {
			t.Errorf("%d level events; a full list while all is well is none", n)
		}
	})
}

func TestConfig_DriverThatPanicsOrEndsWithoutAReasonIsSurvived(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		src := &losing{ConfigSource: w.backend.ConfigSource("/config/orders/")}
		src.panics.Store(true)
		svc := w.start(func(o *holdfast.Options) { o.Config = src; o.Cache = nil })
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		wantValue(t, v, defaultLimits, core.Default)
		src.panics.Store(false)
		src.endsSilently.Store(true)
		settle()
		wantLevel := v.Status().Level
		if v.Get().MaxItems != 7 || !wantLevel.AtLeast(core.Memory) {
			t.Errorf("value %v at %v", v.Get(), wantLevel)
		}
		if n := svc.Status().Events[holdfast.EventLevel]; n > 10 {
			t.Errorf("%d level events while watches end at once: one per retry", n)
		}
		src.endsSilently.Store(false)
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Live)
	})
}

// losing is a source whose watch can lose events, end without an error or panic.
type losing struct {
	core.ConfigSource
	lose, endsSilently, panics atomic.Bool
}

func (l *losing) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	if l.panics.Load() {
		panic("a bug of the driver")
	}
	return l.ConfigSource.Load(ctx)
}

func (l *losing) Watch(ctx context.Context, after core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return func(yield func(core.Update[[]byte], error) bool) {
		if l.endsSilently.Load() {
			return
		}
		for u, err := range l.ConfigSource.Watch(ctx, after) {
			if err == nil && l.lose.Load() {
				continue
			}
			if !yield(u, err) {
				return
			}
		}
	}
}
