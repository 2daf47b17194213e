package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// unreadable is a source of which one key can't be read.
type unreadable struct {
	core.ConfigSource
	key string
}

func (u unreadable) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	s, err := u.ConfigSource.Load(ctx)
	if _, there := s.Items[u.key]; there {
		delete(s.Items, u.key)
		s.Bad = map[string]error{u.key: core.ErrCorrupt}
	}
	return s, err
}

func TestConfig_KeyThatCantBeReadAtStartKeepsItsCachedValue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7", "limits/name", "a")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		svc = w.start(func(o *holdfast.Options) { o.Config = unreadable{o.Config, "limits/max_items"} })
		v := bind(t, svc, "limits", defaultLimits)
		settle()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second, Name: "a"}, core.Live)
		if err := v.Status().Err; !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("Err is %v, want that a key can't be read", err)
		}
		closeService(t, svc)
		w.backend.Cut()
		svc = w.start()
		defer closeService(t, svc)
		wantValue(t, bind(t, svc, "limits", defaultLimits), limits{MaxItems: 7, Timeout: time.Second, Name: "a"}, core.Cached)
	})
}

func TestConfig_HeldValueKeepsItsAgeInTheCache(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		saved := w.records(t)["limits"].SavedAt

		time.Sleep(24 * time.Hour)
		w.backend.Cut()
		svc = w.start()
		v := bind(t, svc, "limits", defaultLimits)
		w.backend.Wipe()
		w.backend.Heal()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		wantValue(t, v, limits{MaxItems: 7, Timeout: time.Second}, core.Memory)
		closeService(t, svc)
		if now := w.records(t)["limits"].SavedAt; !now.Equal(saved) {
			t.Errorf("the record is said to be of %v, but the backend had the value last at %v", now, saved)
		}
	})
}

func TestConfig_HeldBesideAReplicaIsNoBetterThanCached(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		bind(t, svc, "limits", defaultLimits)
		closeService(t, svc)
		w.backend.Wipe()
		w.put("other", "1")
		w.backend.LoseQuorum()
		svc = w.start()
		defer closeService(t, svc)
		v := bind(t, svc, "limits", defaultLimits)
		settle()
		if st := v.Status(); v.Get().MaxItems != 7 || st.Level != core.Cached {
			t.Errorf("%v at level %v, held %v; want the cached value as such", v.Get(), st.Level, st.Held)
		}
	})
}

func TestConfig_AcceptMissingEndsWithClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.put("limits/max_items", "7")
		svc := w.start()
		proving := make(chan struct{})
		v, err := holdfast.BindWith(svc.Config(), "limits", defaultLimits, holdfast.BindOptions[limits]{
			Accept: func(ctx context.Context, _, now limits) error {
				if now.MaxItems == 8 {
					close(proving)
					<-ctx.Done()
				}
				return ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.put("limits/max_items", "8")
		<-proving
		w.put("limits/max_items", "9") // is looked at when the proof of 8 has ended: never
		ended := make(chan error, 1)
		go func() { ended <- svc.Config().AcceptMissing(context.Background()) }()
		synctest.Wait()
		closeService(t, svc)
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, core.ErrClosed) {
				t.Errorf("AcceptMissing: %v, want that it is closed", err)
			}
		default:
			t.Fatal("AcceptMissing waits for ever after Close")
		}
		if v.Get().MaxItems != 7 {
			t.Errorf("the value became %v", v.Get())
		}
	})
}
