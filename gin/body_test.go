package holdfastgin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
)

func TestMount_KeepsABodyOnlyAsFarAsItSpeaksOfEngines(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	s := newChecks(t)
	db := register(t, s, "db", health.CheckOptions{Optional: true})
	life := NewLifecycle(svc, fast())
	life.Ready()
	kept := engineWith(t, MountOptions{Checks: s, Lifecycle: life, Refresh: time.Hour}, svc)
	silent := engineWith(t, MountOptions{Lifecycle: life, Refresh: time.Hour}, svc)
	before := request(silent, http.MethodGet, "/health").Body.String()
	fresh := engineWith(t, MountOptions{Checks: s, Lifecycle: life, Refresh: -1}, svc)
	said := func(path string) string { return request(kept, http.MethodGet, path).Body.String() }
	for _, path := range []string{"/health", "/health/ready"} {
		if body := said(path); !strings.Contains(body, `"db":{"status":"UP"`) {
			t.Errorf("%s says %s", path, body)
		}
	}
	degrade(t, b, svc)
	if body := request(silent, http.MethodGet, "/health").Body.String(); body != before || strings.Contains(body, `"memory"`) {
		t.Errorf("within Refresh it changed from %s to %s", before, body)
	}
	if body := request(fresh, http.MethodGet, "/health").Body.String(); !strings.Contains(body, `"memory"`) {
		t.Errorf("without Refresh it says %s", body)
	}
	db.bad.Store(true)
	for _, path := range []string{"/health", "/health/ready"} {
		if body := said(path); !strings.Contains(body, `"db":{"status":"DOWN"`) || !strings.Contains(body, `"degraded":true`) {
			t.Errorf("%s says %s", path, body)
		}
	}
	life.enter(PhaseDraining)
	if body := request(silent, http.MethodGet, "/health").Body.String(); !strings.Contains(body, `"reasons":["draining"]`) {
		t.Errorf("a body outlives the phase: %s", body)
	}
	for _, path := range []string{"/health", "/health/ready"} {
		if w := request(kept, http.MethodGet, path); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"reasons":["draining"]`) {
			t.Errorf("%s says %d %s", path, w.Code, w.Body)
		}
	}
}

func TestMount_NeverKeepsForStrangersWhatOthersMayRead(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	s := newChecks(t)
	if err := s.Register(health.Func("db", func(context.Context) error { return errors.New(partText) }), health.CheckOptions{CacheFor: time.Hour}); err != nil {
		t.Fatal(err)
	}
	engine := engineWith(t, MountOptions{Checks: s, Details: DetailsAuthorized, Refresh: time.Hour, Authorize: sesame}, svc)
	for range 2 {
		for query, want := range map[string]bool{"?key=sesame": true, "": false} {
			for _, path := range []string{"/health", "/health/ready"} {
				if body := request(engine, http.MethodGet, path+query).Body.String(); strings.Contains(body, partText) != want {
					t.Errorf("%s%s says %s", path, query, body)
				}
			}
		}
	}
}

func TestMount_AProbeAllocatesLittle(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	s := newChecks(t)
	if err := s.Register(health.Func("db", func(context.Context) error { return nil }), health.CheckOptions{CacheFor: time.Hour}); err != nil {
		t.Fatal(err)
	}
	engine := engineWith(t, MountOptions{Checks: s, Refresh: time.Hour}, svc)
	for path, most := range map[string]float64{"/livez": 6, "/readyz": 8, "/health": 8, "/health/ready": 10} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		w := &discard{header: make(http.Header)}
		if n := testing.AllocsPerRun(100, func() {
			clear(w.header)
			engine.ServeHTTP(w, req)
		}); n > most {
			t.Errorf("%s allocates %v times", path, n)
		}
	}
}
