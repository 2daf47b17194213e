package holdfast_test

import (
	"context"
	"log/slog"
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
