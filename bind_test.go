package holdfast_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/core"
)

type pool struct {
	Size int `validate:"min=1"`
	Idle *int
	TLS  *struct{ Name, Mode string }
}

func defaultPool() pool {
	return pool{Size: 1, Idle: new(1), TLS: &struct{ Name, Mode string }{"a", "strict"}}
}

func TestBind_RefusedValueDoesNotReachTheServedOneThroughAPointer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "pool", defaultPool())
		w.put("pool/idle", "7", "pool/tls/name", "b", "pool/size", "0")
		if v.Status().Err == nil {
			t.Error("a size of 0 was not refused")
		}
		if diff := cmp.Diff(defaultPool(), v.Get()); diff != "" {
			t.Errorf("a refused value changed what is served (-want +got):\n%s", diff)
		}

		w.put("pool/size", "2")
		want := defaultPool()
		want.Size, *want.Idle, want.TLS.Name = 2, 7, "b"
		wantValue(t, v, want, core.Live)
		served := v.Get()
		w.put("pool/idle", "8")
		if diff := cmp.Diff(want, served); diff != "" {
			t.Errorf("a newer value changed an older one that somebody still holds (-want +got):\n%s", diff)
		}
		w.remove("pool/size", "pool/idle", "pool/tls/name")
		wantValue(t, v, defaultPool(), core.Default)
	})
}

func TestBind_OfAPointerKeepsTheDefaultsOfFieldsThatNoKeyNames(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		defer closeService(t, svc)
		def := defaultLimits
		v := bind(t, svc, "limits", &def)
		synctest.Wait()
		want := defaultLimits
		want.MaxItems = 7
		wantValue(t, v, &want, core.Live)
		if def != defaultLimits {
			t.Errorf("the default became %+v", def)
		}
	})
}

func TestBind_OfAnythingWithoutADefault(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc := w.start()
		defer closeService(t, svc)
		v := bind[any](t, svc, "anything", nil)
		wantValue(t, v, nil, core.Default)
		w.put("anything", "text")
		if v.Status().Level != core.Live || v.Get() == nil {
			t.Errorf("%v at level %v: %v", v.Get(), v.Status().Level, v.Status().Err)
		}
	})
}
