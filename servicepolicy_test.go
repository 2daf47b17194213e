package holdfast_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestService_PolicyGuardsUnaryRequests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "50")
		w.backend.Cut()
		chain := policy.Must(policy.Breaker{MinCalls: 3, OpenFor: time.Second}, policy.Timeout{After: 500 * time.Millisecond})
		svc := w.start(func(o *holdfast.Options) { o.Policy = chain })
		defer closeService(t, svc)
		v := bind(t, svc, "limits", limits{MaxItems: 100})
		wantValue(t, v, limits{MaxItems: 100}, core.Default)

		time.Sleep(20 * time.Second)
		st := svc.Status()
		layer, ok := st.Policy.Layer("breaker")
		if !ok || layer.Rejected == 0 || st.Policy.Calls == 0 {
			t.Errorf("nothing went through the chain: %+v", st.Policy)
		}
		opened := slices.ContainsFunc(st.Timeline, func(e holdfast.Event) bool {
			return e.Kind == holdfast.EventBreaker && errors.Is(e.Err, core.ErrUnavailable)
		})
		if !opened {
			t.Errorf("no event says that the breaker opened: %+v", st.Timeline)
		}

		w.backend.Heal()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := svc.WaitLevel(ctx, core.Live); err != nil {
			t.Fatalf("not live again after the breaker's time: %v", err)
		}
		wantValue(t, v, limits{MaxItems: 50}, core.Live)
	})
}

func TestService_PolicyLeavesWatchesAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "50")
		svc := w.start(func(o *holdfast.Options) {
			o.Policy = policy.Must(policy.Timeout{After: 100 * time.Millisecond})
		})
		defer closeService(t, svc)
		v := bind(t, svc, "limits", limits{MaxItems: 100})
		time.Sleep(time.Minute) // a watch with the deadline of the chain would have ended 600 times
		w.put("limits/max_items", "60")
		settle()
		wantValue(t, v, limits{MaxItems: 60}, core.Live)
		if n := svc.Status().Events[holdfast.EventLevel]; n > 1 {
			t.Errorf("%d changes of level without an outage", n)
		}
	})
}
