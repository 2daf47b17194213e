package holdfast_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
)

// TestService_RunsOnMemoryWhileItsCacheStoreCannotBeOpened takes a folder that can't be
// made, later fails while it is used, and heals each time.
func TestService_RunsOnMemoryWhileItsCacheStoreCannotBeOpened(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		parent := filepath.Join(t.TempDir(), "parent")
		dir := filepath.Join(parent, "cache")
		block := func() {
			t.Helper()
			if err := os.WriteFile(parent, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		trouble := func(svc *holdfast.Service, want bool) {
			t.Helper()
			st := svc.Status()
			if failing := errors.Is(st.Cache.Err, core.ErrUnavailable); failing != want || st.Degraded != want || (!want && st.Cache.Err != nil) {
				t.Errorf("trouble: want %v, degraded is %v, the cache says %v since %v", want, st.Degraded, st.Cache.Err, st.Cache.Since)
			}
			if want && st.Cache.Pending == 0 {
				t.Error("nothing waits to be written")
			}
		}
		block()
		store := file.New(dir, file.Options{})
		defer func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}()
		w.store = store
		w.put("limits/max_items", "7")
		began := time.Now()
		svc := w.start()
		defer func() {
			if err := svc.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		v := bind(t, svc, "limits", defaultLimits)
		if took := time.Since(began); took > 2*time.Second || v.Get().MaxItems != 7 || v.Status().Level != core.Live {
			t.Errorf("after %v: %+v at %v", took, v.Get(), v.Status().Level)
		}
		time.Sleep(5 * time.Second)
		trouble(svc, true)
		if err := os.Remove(parent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * time.Second)
		trouble(svc, false)

		// It becomes unusable while the service runs.
		if err := os.RemoveAll(parent); err != nil {
			t.Fatal(err)
		}
		block()
		w.put("limits/max_items", "8")
		time.Sleep(5 * time.Second)
		trouble(svc, true)
		if v.Get().MaxItems != 8 {
			t.Errorf("the newest value is not served: %+v", v.Get())
		}
		if err := os.Remove(parent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * time.Second)
		trouble(svc, false)
		st := svc.Status().Cache
		if st.Writes == 0 || st.WriteErrors < 2 {
			t.Errorf("%+v", st)
		}
		if told := st.Store; told == nil || told.Records != 1 || told.Errors < 2 || !errors.Is(told.LastError, core.ErrUnavailable) {
			t.Errorf("the store tells %+v", told)
		}
		events := 0
		for _, e := range svc.Status().Timeline {
			if e.Kind == holdfast.EventCache {
				events++
			}
		}
		if events != 4 {
			t.Errorf("%d cache events, want one each time it failed, and one each time it worked again", events)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) == 0 {
			t.Errorf("nothing was written: %v", err)
		}
	})
}
