package holdfast_test

import (
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// unchecked is limits of an earlier version of the program, which refused less.
type unchecked struct {
	MaxItems int `mapstructure:"max_items"`
}

func TestValue_RefusedBySourceAndCacheIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "0")
		before := w.start()
		bind(t, before, "limits", unchecked{MaxItems: 1})
		closeService(t, before)

		svc := w.start()
		defer closeService(t, svc)
		asked := 0
		v, err := holdfast.BindWith(svc.Config(), "limits", defaultLimits, holdfast.BindOptions[limits]{
			Accept: func(context.Context, limits, limits) error { asked++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.backend.Cut()
			time.Sleep(time.Minute)
			w.backend.Heal()
			settle()
		}
		wantValue(t, v, defaultLimits, core.Default)
		st := v.Status()
		if st.Refused != 2 || svc.Status().Events[holdfast.EventRefused] != 2 {
			t.Errorf("%d refusals, %d events; want one of the source and one of the cache", st.Refused, svc.Status().Events[holdfast.EventRefused])
		}
		if st.Err == nil || strings.Contains(st.Err.Error(), "cached") {
			t.Errorf("Err is %v, want why the newest value was refused", st.Err)
		}
		if asked != 0 {
			t.Errorf("Accept was asked %d times about values that are not valid", asked)
		}
	})
}

func TestBindWith_AcceptIsAskedOnceThoughTheCacheIsReadLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		before := w.start()
		bind(t, before, "limits", defaultLimits)
		closeService(t, before)
		w.put("limits/max_items", "8")

		c, err := holdfast.OpenConfig(w.backend.ConfigSource("/config/orders/"), holdfast.ConfigOptions{Cache: lateStore{w.store}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		v, err := holdfast.BindWith(c, "limits", defaultLimits, holdfast.BindOptions[limits]{
			Accept: func(context.Context, limits, limits) error { asked++; return context.DeadlineExceeded },
		})
		if err != nil {
			t.Fatal(err)
		}
		settle()
		for range 3 {
			w.backend.Cut()
			settle()
			w.backend.Heal()
			settle()
		}
		synctest.Wait()
		want := defaultLimits
		want.MaxItems = 7
		wantValue(t, v, want, core.Cached)
		if asked != 1 || v.Status().Refused != 1 {
			t.Errorf("Accept was asked %d times about one value, %d refusals; want 1 and 1", asked, v.Status().Refused)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// lateStore reads slowly.
type lateStore struct{ core.CacheStore }

func (s lateStore) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		time.Sleep(time.Second)
		s.CacheStore.All(ctx, bucket)(yield)
	}
}
