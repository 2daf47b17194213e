package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

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
