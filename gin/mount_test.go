package holdfastgin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// probe asks one path of an engine with health endpoints.
func probe(t *testing.T, svc *holdfast.Service, opts MountOptions, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	engine := gin.New()
	if err := Mount(engine, svc, opts); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

// degrade cuts a service off and waits until it shows.
func degrade(t *testing.T, b *memory.Backend, svc *holdfast.Service) {
	t.Helper()
	if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	b.Cut()
	eventually(t, "the outage shows", func() bool { return svc.Status().Level == core.Memory })
}

func TestMount_StaysUpWhileAnAllowedLevelServes(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	svc.Endpoints("inventory")
	degrade(t, b, svc)
	for _, path := range []string{"/health", "/livez", "/readyz"} {
		w := probe(t, svc, MountOptions{}, http.MethodGet, path)
		if w.Code != http.StatusOK || readReport(t, w.Body.String()).Status != up || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s says %d %s with %v", path, w.Code, w.Body, w.Header())
		}
		if w := probe(t, svc, MountOptions{}, http.MethodHead, path); w.Code != http.StatusOK {
			t.Errorf("HEAD %s says %d", path, w.Code)
		}
	}
	rep := readReport(t, probe(t, svc, MountOptions{}, http.MethodGet, "/health").Body.String())
	config := rep.Details["config"]
	if !rep.Degraded || config.Level != "memory" || config.Age == nil || config.Since == nil || config.Status != up {
		t.Errorf("/health says %+v", rep)
	}
	if d := rep.Details["endpoints:inventory"]; d.Level != "memory" || d.Instances == nil || *d.Instances != 0 {
		t.Errorf("/health says %+v of the endpoints", d)
	}
}

func TestMount_FailsReadinessBelowTheRequiredLevelOrAge(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	degrade(t, b, svc)
	for name, row := range map[string]struct {
		opts MountOptions
		code int
	}{
		"live is required":          {MountOptions{RequireLevel: core.Live}, http.StatusServiceUnavailable},
		"memory is required":        {MountOptions{RequireLevel: core.Memory}, http.StatusOK},
		"no older than a moment":    {MountOptions{MaxStale: time.Nanosecond}, http.StatusServiceUnavailable},
		"no older than an hour":     {MountOptions{MaxStale: time.Hour}, http.StatusOK},
		"an hour, and at least one": {MountOptions{MaxStale: time.Hour, RequireLevel: core.Live}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/readyz", "/health"} {
				if w := probe(t, svc, row.opts, http.MethodGet, path); w.Code != row.code {
					t.Errorf("%s says %d %s, want %d", path, w.Code, w.Body, row.code)
				}
			}
			if w := probe(t, svc, row.opts, http.MethodGet, "/livez"); w.Code != http.StatusOK {
				t.Errorf("/livez says %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestMount_ShowsErrorsOnlyToWhomItMay(t *testing.T) {
	const secret = "hunter2-not-a-number"
	b := newBackend(t)
	svc := startService(t, b, nil)
	if _, err := holdfast.Bind(svc.Config(), "limits/max_items", 1); err != nil {
		t.Fatal(err)
	}
	if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	b.Put("/config/orders/limits/max_items", []byte(secret))
	eventually(t, "the value is refused", func() bool { return svc.Status().Config.Values[0].Err != nil })
	text := svc.Status().Config.Values[0].Err.Error()

	let := func(yes bool) func(*gin.Context) bool { return func(*gin.Context) bool { return yes } }
	for name, row := range map[string]struct {
		opts           MountOptions
		details, texts bool
	}{
		"default":                   {MountOptions{}, true, false},
		"stranger":                  {MountOptions{Authorize: let(false)}, true, false},
		"authorized":                {MountOptions{Authorize: let(true)}, true, true},
		"details for authorized":    {MountOptions{Details: DetailsAuthorized, Authorize: let(true)}, true, true},
		"no details for a stranger": {MountOptions{Details: DetailsAuthorized, Authorize: let(false)}, false, false},
		"nobody lets":               {MountOptions{Details: DetailsAuthorized}, false, false},
		"never":                     {MountOptions{Details: DetailsNever, Authorize: let(true)}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			body := probe(t, svc, row.opts, http.MethodGet, "/health").Body.String()
			rep := readReport(t, body)
			if !rep.Degraded || rep.Status != up {
				t.Errorf("a refused value does not degrade: %s", body)
			}
			if got := rep.Details != nil; got != row.details {
				t.Errorf("details are shown: %v, want %v", got, row.details)
			}
			if got := strings.Contains(strings.Join(rep.Details["config:limits/max_items"].Reasons, ""), text); got != row.texts {
				t.Errorf("the text is shown: %v, want %v: %s", got, row.texts, body)
			}
			if strings.Contains(body, secret) {
				t.Errorf("a value is shown: %s", body)
			}
		})
	}
}

func TestMount_RefusesMistakesWithoutPanic(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	engine := gin.New()
	twice := gin.New()
	if err := Mount(twice, svc, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Mount(twice.Group("/admin"), svc, MountOptions{}); err != nil {
		t.Errorf("another group: %v", err)
	}
	for name, err := range map[string]error{
		"twice":      Mount(twice, svc, MountOptions{}),
		"no router":  Mount(nil, svc, MountOptions{}),
		"no service": Mount(engine, nil, MountOptions{}),
		"no level":   Mount(engine, svc, MountOptions{RequireLevel: 99}),
		"no age":     Mount(engine, svc, MountOptions{MaxStale: -1}),
		"no details": Mount(engine, svc, MountOptions{Details: 9}),
	} {
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := Mount(twice, svc, MountOptions{}); err == nil || !strings.Contains(err.Error(), "/livez") {
		t.Errorf("the error does not name the route: %v", err)
	}
}

func TestMount_SaysThatAnInstanceIsNotRegistered(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	b.Cut()
	if _, err := svc.Announce(core.Instance{ID: "one", Endpoints: []string{"http://127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the announcement failed once", func() bool { return svc.Status().Announcements[0].Err != nil })
	w := probe(t, svc, MountOptions{}, http.MethodGet, "/health")
	d := readReport(t, w.Body.String()).Details["announcement:one"]
	if w.Code != http.StatusOK || !d.Degraded || d.State != "pending" || strings.Join(d.Reasons, "; ") != "peers may not see it; unavailable" {
		t.Errorf("/health says %d %s", w.Code, w.Body)
	}
}
