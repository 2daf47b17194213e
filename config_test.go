package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast"
	cache "github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

type limits struct {
	MaxItems int           `mapstructure:"max_items" validate:"min=1"`
	Timeout  time.Duration `mapstructure:"timeout"`
	Name     string        `mapstructure:"name"`
}

var defaultLimits = limits{MaxItems: 100, Timeout: time.Second}

// world is a backend, a cache and what is needed to start services on them,
// inside a synctest bubble.
type world struct {
	t       *testing.T
	backend *memory.Backend
	store   core.CacheStore
}

func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, backend: memory.New(memory.Options{}), store: cache.New()}
		defer w.backend.Close()
		f(t, w)
	})
}

func (w *world) options() holdfast.Options {
	return holdfast.Options{
		Name: "orders", Config: w.backend.ConfigSource("/config/orders/"), Cache: w.store,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func (w *world) start(change ...func(*holdfast.Options)) *holdfast.Service {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	svc, err := holdfast.Start(w.t.Context(), o)
	if err != nil {
		w.t.Fatalf("Start: %v", err)
	}
	return svc
}

func (w *world) put(keysAndValues ...string) {
	put := make(map[string][]byte)
	for i := 0; i < len(keysAndValues); i += 2 {
		put["/config/orders/"+keysAndValues[i]] = []byte(keysAndValues[i+1])
	}
	w.backend.Txn(put)
	synctest.Wait()
}

func (w *world) remove(keys ...string) {
	for i := range keys {
		keys[i] = "/config/orders/" + keys[i]
	}
	w.backend.Delete(keys...)
	synctest.Wait()
}

// settle lets an outage's end be noticed.
func settle() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

func closeService(t *testing.T, svc *holdfast.Service) {
	t.Helper()
	if err := svc.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func bind[T any](t *testing.T, svc *holdfast.Service, path string, def T) *holdfast.Value[T] {
	t.Helper()
	v, err := holdfast.Bind(svc.Config(), path, def)
	if err != nil {
		t.Fatalf("Bind: %v", err)
	}
	return v
}

func wantValue[T any](t *testing.T, v *holdfast.Value[T], want T, level core.Level) {
	t.Helper()
	if diff := cmp.Diff(want, v.Get()); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
	if got := v.Status().Level; got != level {
		t.Errorf("level is %v, want %v (Err %v)", got, level, v.Status().Err)
	}
}

func TestValue_ServesTheSourceOverTheDefault(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Live)
		if got := svc.Status().Level; got != core.Live {
			t.Errorf("service level %v", got)
		}
		other := bind(t, svc, "absent", limits{MaxItems: 3})
		wantValue(t, other, limits{MaxItems: 3}, core.Default)
	})
}

func TestValue_OneTransactionIsOneChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		var seen []string
		stop := v.OnChange(func(old, now limits) {
			seen = append(seen, fmt.Sprintf("%d -> %d %v", old.MaxItems, now.MaxItems, now.Timeout))
		})
		w.put("limits/max_items", "5", "limits/timeout", "3s")
		w.put("limits/max_items", "5")
		w.put("unrelated", "x")
		w.put("limits/max_items", "6")
		stop()
		w.put("limits/max_items", "8")
		if diff := cmp.Diff([]string{"100 -> 5 3s", "5 -> 6 3s"}, seen); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

func TestValue_RefusedPushKeepsTheLastGoodOneEverywhere(t *testing.T) {
	for _, c := range []struct{ name, key, value, says string }{
		{"wrong type", "limits/max_items", "a-secret", "whole number"},
		{"blank", "limits/max_items", " ", "blank"},
		{"blank duration", "limits/timeout", "", "duration"},
		{"no unit", "limits/timeout", "17", "unit"},
		{"out of bounds", "limits/max_items", "0", "min=1"},
		{"too large", "limits/max_items", "99999999999999999999", "fits"},
		{"bad JSON", "limits.json", `{"max_items": 99923,`, "JSON"},
		{"bad YAML", "limits.yaml", "max_items: [a-secret", "YAML"},
		{"bad TOML", "limits.toml", "max_items = a-secret", "TOML"},
		{"blank document", "limits.yaml", "\n", "blank"},
		{"not a document", "limits", "a-secret", "document"},
		{"wrong type in a document", "limits.json", `{"max_items": true}`, "int"},
		{"fraction", "limits.json", `{"max_items": 7.5}`, "whole number"},
		{"null", "limits.json", `{"max_items": null}`, "null"},
		{"value and branch", "limits/max_items/x", "a-secret", "delete one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				svc := w.start()
				defer closeService(t, svc)
				v := bind(t, svc, "limits", defaultLimits)
				w.put("limits/max_items", "7")
				good := limits{MaxItems: 7, Timeout: time.Second}
				settle()
				before := w.records(t)
				changed := false
				v.OnChange(func(_, _ limits) { changed = true })

				if c.name == "wrong type in a document" || c.name == "fraction" || c.name == "null" {
					w.remove("limits/max_items") // else the single key goes over the document
					w.put("limits/timeout", "1s", "limits/name", "x", "limits/max_items", "7")
					settle()
					before, changed = w.records(t), false
					good.Name = "x"
					w.backend.Txn(map[string][]byte{"/config/orders/" + c.key: []byte(c.value)}, "/config/orders/limits/max_items")
					synctest.Wait()
				} else {
					w.put(c.key, c.value)
				}
				settle()

				wantValue(t, v, good, core.Live)
				err := v.Status().Err
				if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "a-secret") {
					t.Errorf("Err is %v; want one that says %q and not the value", err, c.says)
				}
				if changed {
					t.Error("OnChange was called for a refused value")
				}
				if diff := cmp.Diff(before, w.records(t)); diff != "" {
					t.Errorf("a refused value touched the cache:\n%s", diff)
				}
				if st := svc.Status(); !st.Degraded || st.Events[holdfast.EventRefused] != 1 {
					t.Errorf("degraded %v, refusals %d; want true and 1", st.Degraded, st.Events[holdfast.EventRefused])
				}
				// A later good key is combined with the newest raw state.
				w.backend.Txn(map[string][]byte{"/config/orders/limits/max_items": []byte("9"), "/config/orders/limits/timeout": []byte("2s")},
					"/config/orders/limits", "/config/orders/limits.json", "/config/orders/limits.yaml", "/config/orders/limits.toml", "/config/orders/limits/max_items/x")
				synctest.Wait()
				good.MaxItems, good.Timeout = 9, 2*time.Second
				wantValue(t, v, good, core.Live)
				if err := v.Status().Err; err != nil {
					t.Errorf("Err after a good push: %v", err)
				}
			})
		})
	}
}

// records returns everything in the cache, by record.
func (w *world) records(t *testing.T) map[string]core.Record {
	t.Helper()
	all := make(map[string]core.Record)
	for r, err := range w.store.All(t.Context(), holdfast.BucketName("config", w.backend.ConfigSource("/config/orders/").Origin(), "")) {
		if err != nil {
			t.Fatalf("All: %v", err)
		}
		all[r.Key] = r
	}
	return all
}

func TestValue_LaterGoodKeyIsCombinedWithTheNewestRawState(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		w.put("limits/max_items", "bad", "limits/name", "new")
		wantValue(t, v, defaultLimits, core.Default)
		w.put("limits/max_items", "4")
		wantValue(t, v, limits{MaxItems: 4, Timeout: time.Second, Name: "new"}, core.Live)
	})
}

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
				if d := time.Since(began); d > 250*time.Millisecond {
					t.Errorf("Start with a cache took %v", d)
				}
				time.Sleep(time.Hour)
				v := bind(t, svc, "limits", defaultLimits)
				wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Cached)
				if age := v.Status().Age; age < time.Hour || age > 2*time.Hour {
					t.Errorf("age of the cached value is %v, want a little over 1 h", age)
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

func TestConfig_PanickingAndSlowFunctionsHarmNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		var fast, slow []int
		v.OnChange(func(_, _ limits) { panic("a-secret") })
		v.OnChange(func(_, now limits) { time.Sleep(time.Minute); slow = append(slow, now.MaxItems) })
		v.OnChange(func(_, now limits) { fast = append(fast, now.MaxItems) })
		for i := range 4 {
			w.put("limits/max_items", fmt.Sprint(i+1))
		}
		if diff := cmp.Diff([]int{1, 2, 3, 4}, fast); diff != "" {
			t.Errorf("fast (-want +got):\n%s", diff)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 4}, slow); diff != "" {
			t.Errorf("slow: first and newest (-want +got):\n%s", diff)
		}
		for _, e := range svc.Status().Timeline {
			if strings.Contains(fmt.Sprint(e), "a-secret") {
				t.Errorf("the panic's value is in the timeline: %v", e)
			}
		}
		if n := svc.Status().Events[holdfast.EventPanic]; n != 4 {
			t.Errorf("%d panics recorded, want 4", n)
		}
	})
}

func TestBindWith_AcceptProvesAValueFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("password", "first")
		svc := w.start()
		defer closeService(t, svc)
		release := make(chan struct{})
		defer close(release)
		var calls atomic.Int32
		works := "first"
		v, err := holdfast.BindWith(svc.Config(), "password", "", holdfast.BindOptions[string]{
			Accept: func(_ context.Context, _, now string) error {
				calls.Add(1)
				switch now {
				case works:
					return nil
				case "panics":
					panic(now)
				case "hangs":
					<-release
				}
				return errors.New("login failed")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantValue(t, v, "first", core.Live)
		for _, bad := range []string{"second", "panics"} {
			w.put("password", bad)
			wantValue(t, v, "first", core.Live)
			if err := v.Status().Err; err == nil || strings.Contains(err.Error(), bad+"\"") {
				t.Errorf("Err after %q: %v", bad, err)
			}
		}
		w.put("unrelated", "x")
		w.backend.Cut()
		settle()
		w.backend.Heal()
		settle()
		if n := calls.Load(); n != 3 {
			t.Errorf("Accept was asked %d times, want 3: once per value", n)
		}
		if n := svc.Status().Events[holdfast.EventPanic]; n != 1 {
			t.Errorf("%d panics recorded, want 1", n)
		}
		w.put("password", "hangs")
		time.Sleep(6 * time.Second)
		synctest.Wait()
		wantValue(t, v, "first", core.Live)
		if err := v.Status().Err; err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("Err after a hook that hangs: %v", err)
		}
		works = "third"
		w.put("password", "third")
		wantValue(t, v, "third", core.Live)
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
