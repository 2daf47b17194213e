package holdfast_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

func TestService_CloseFromInsideAFunctionOfTheProgramEnds(t *testing.T) {
	closeInTime := func(t *testing.T, svc *holdfast.Service, ended chan<- struct{}) {
		began := time.Now()
		_ = svc.Close(context.Background()) // it says that the function still runs, which is true
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("Close took %v", d)
		}
		close(ended)
	}
	for name, provoke := range map[string]func(*testing.T, *world, *holdfast.Service, chan<- struct{}){
		"OnChange": func(t *testing.T, w *world, svc *holdfast.Service, ended chan<- struct{}) {
			v := bind(t, svc, "limits", defaultLimits)
			stop := v.OnChange(func(limits, limits) { closeInTime(t, svc, ended) })
			w.put("limits/max_items", "7")
			stop()
		},
		"Accept": func(t *testing.T, w *world, svc *holdfast.Service, ended chan<- struct{}) {
			_, err := holdfast.BindWith(svc.Config(), "limits", defaultLimits, holdfast.BindOptions[limits]{
				Accept: func(context.Context, limits, limits) error { closeInTime(t, svc, ended); return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			w.put("limits/max_items", "7")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				ended := make(chan struct{})
				provoke(t, w, w.start(), ended)
				<-ended
				synctest.Wait()
			})
		})
	}
}

func TestService_CloseFromInsideTheGateEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ended := make(chan error, 1)
		given := make(chan *holdfast.Service, 1)
		svc := w.start(func(o *holdfast.Options) {
			o.Registry = w.backend.Registry()
			o.Gate = func(ctx context.Context) core.Status {
				select {
				case svc := <-given:
					ended <- svc.Close(context.WithoutCancel(ctx))
				default:
				}
				return core.StatusUp
			}
		})
		given <- svc
		began := time.Now()
		if _, err := svc.Announce(core.Instance{Endpoints: []string{"http://127.0.0.1:8080"}}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("Close took %v", d)
		}
		if s, err := w.backend.Registry().Discover(t.Context(), "orders"); err != nil || len(s.Items) != 0 {
			t.Errorf("still listed: %v, %v", s.Items, err)
		}
	})
}
