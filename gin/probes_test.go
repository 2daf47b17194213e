package holdfastgin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/health"
)

// newChecks makes a set that ends with the test.
func newChecks(t testing.TB) *health.Set {
	t.Helper()
	s := health.New(health.Options{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// part is a check whose outcome the test decides.
type part struct {
	name string
	bad  atomic.Bool
}

const partText = "user bob was refused by 10.0.0.9"

func (p *part) Name() string { return p.name }

func (p *part) Check(context.Context) health.Result {
	if p.bad.Load() {
		return health.Result{Err: errors.New(partText), Details: map[string]any{"pool": 7}}
	}
	return health.Result{}
}

func register(t testing.TB, s *health.Set, name string, opts health.CheckOptions) *part {
	t.Helper()
	p := &part{name: name}
	opts.CacheFor = -1
	if err := s.Register(p, opts); err != nil {
		t.Fatal(err)
	}
	return p
}

// request asks an engine.
func request(engine *gin.Engine, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, path, nil))
	return w
}

// codes asks several paths, each with GET and HEAD.
func codes(t *testing.T, engine *gin.Engine, when string, want map[string]int) {
	t.Helper()
	for path, code := range want {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := request(engine, method, path)
			if w.Code != code || w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
				t.Errorf("%s: %s %s says %d %s with %v, want %d", when, method, path, w.Code, w.Body, w.Header(), code)
			}
		}
	}
}

func TestMount_AnswersForEachGroup(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	degrade(t, b, svc)
	s := newChecks(t)
	db := register(t, s, "db", health.CheckOptions{})
	cache := register(t, s, "redis", health.CheckOptions{Optional: true})
	loop := register(t, s, "loop", health.CheckOptions{Groups: []string{health.Live}})
	warm := register(t, s, "warm", health.CheckOptions{Groups: []string{health.Startup}})
	deep := register(t, s, "partner", health.CheckOptions{Groups: []string{"deep"}})
	life := NewLifecycle(svc, fast())
	engine := gin.New()
	if err := Mount(engine, svc, MountOptions{Checks: s, Lifecycle: life}); err != nil {
		t.Fatal(err)
	}
	row := func(livez, readyz, health, startup int) map[string]int {
		return map[string]int{
			"/livez": livez, "/health/live": livez, "/readyz": readyz, "/health/ready": readyz,
			"/health": health, "/health/startup": startup,
		}
	}
	warm.bad.Store(true)
	codes(t, engine, "starting", row(200, 503, 503, 503))
	life.Ready()
	codes(t, engine, "not warm", row(200, 200, 503, 503))
	warm.bad.Store(false)
	codes(t, engine, "warm, backend away", row(200, 200, 200, 200))
	warm.bad.Store(true)
	codes(t, engine, "cold again", map[string]int{"/health/startup": 200})
	warm.bad.Store(false)
	cache.bad.Store(true)
	codes(t, engine, "no redis", row(200, 200, 200, 200))
	db.bad.Store(true)
	codes(t, engine, "no db", row(200, 503, 503, 200))
	if body := request(engine, http.MethodGet, "/readyz").Body.String(); body != `{"status":"DOWN","reasons":["db is DOWN: error"]}` {
		t.Errorf("got %s", body)
	}
	db.bad.Store(false)
	loop.bad.Store(true)
	codes(t, engine, "stuck", row(503, 200, 503, 200))
	loop.bad.Store(false)
	deep.bad.Store(true)
	codes(t, engine, "no partner", map[string]int{
		"/readyz": 200, "/health": 503, "/health/deep": 503, "/health/partner": 503, "/health/db": 200, "/health/config": 200,
		"/health/lifecycle": 200, "/health/nobody": 404,
	})
	deep.bad.Store(false)
	life.enter(PhaseDraining)
	codes(t, engine, "draining", row(200, 503, 503, 200))
	if body := request(engine, http.MethodGet, "/readyz").Body.String(); body != `{"status":"DOWN","reasons":["draining"]}` {
		t.Errorf("got %s", body)
	}
}

func TestMount_ShowsChecksAsDetails(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	s := newChecks(t)
	register(t, s, "db", health.CheckOptions{}).bad.Store(true)
	register(t, s, "config", health.CheckOptions{})
	let := func(c *gin.Context) bool { return c.Query("key") == "sesame" }
	mount := func(opts MountOptions) *gin.Engine {
		opts.Checks, opts.Authorize = s, let
		engine := gin.New()
		if err := Mount(engine, svc, opts); err != nil {
			t.Fatal(err)
		}
		return engine
	}
	for name, row := range map[string]struct {
		engine         *gin.Engine
		query          string
		details, texts bool
	}{
		"always, stranger":       {mount(MountOptions{}), "", true, false},
		"always, authorized":     {mount(MountOptions{}), "?key=sesame", true, true},
		"authorized, stranger":   {mount(MountOptions{Details: DetailsAuthorized}), "", false, false},
		"authorized, authorized": {mount(MountOptions{Details: DetailsAuthorized}), "?key=sesame", true, true},
		"never, authorized":      {mount(MountOptions{Details: DetailsNever}), "?key=sesame", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/readyz", "/health/ready", "/health", "/health/db"} {
				w := request(row.engine, http.MethodGet, path+row.query)
				body := w.Body.String()
				if want := 503; path == "/health/db" && !row.details {
					if w.Code != 404 || body != request(row.engine, http.MethodGet, "/health/nobody"+row.query).Body.String() {
						t.Errorf("%s tells that it is there: %d %s", path, w.Code, body)
					}
					continue
				} else if w.Code != want {
					t.Errorf("%s says %d", path, w.Code)
				}
				named := strings.Contains(body, "db") || path == "/health/db"
				if named != row.details || strings.Contains(body, partText) != (row.texts && path != "/readyz") {
					t.Errorf("%s says %s", path, body)
				}
				if !row.details && body != `{"status":"DOWN"}` && body != `{"status":"DOWN","degraded":true}` {
					t.Errorf("%s says %s", path, body)
				}
			}
			if !row.details {
				return
			}
			all := readReport(t, request(row.engine, http.MethodGet, "/health"+row.query).Body.String()).Details
			d := all["db"]
			if d.Status != down || d.Checked == nil || d.Took == nil || len(d.Groups) != 1 || string(d.Details) != `{"pool":7}` || d.Reasons[0] != "error" {
				t.Errorf("got %+v", d)
			}
			if all["config"].Level == "" || all["check:config"].Checked == nil {
				t.Errorf("a check and a part of the engines share a name: %v", all)
			}
			var one detail
			if err := json.Unmarshal(request(row.engine, http.MethodGet, "/health/check:config"+row.query).Body.Bytes(), &one); err != nil || one.Checked == nil {
				t.Errorf("got %+v, %v", one, err)
			}
		})
	}
}

func TestMount_FindsEscapedNames(t *testing.T) {
	s := newChecks(t)
	register(t, s, "queue/orders", health.CheckOptions{})
	engine := gin.New()
	engine.UseRawPath = true
	if err := Mount(engine, startService(t, newBackend(t), nil), MountOptions{Checks: s}); err != nil {
		t.Fatal(err)
	}
	codes(t, engine, "escaped", map[string]int{"/health/queue%2Forders": 200, "/health/queue%2Fnone": 404})
}

func TestMount_AnswersAllProbesWhileACheckHangs(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	s := newChecks(t)
	hang := make(chan struct{})
	var runs atomic.Int64
	if err := s.Register(health.Func("stuck", func(context.Context) error {
		runs.Add(1)
		<-hang
		return nil
	}), health.CheckOptions{Timeout: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	r := runService(t, svc, engineWith(t, MountOptions{Checks: s}, svc), RunOptions{NoAnnounce: true})
	for _, probes := range []int{10, 50} {
		began := time.Now()
		var wg sync.WaitGroup
		for range probes {
			wg.Go(func() {
				code, body := r.get("/health")
				if code != http.StatusServiceUnavailable || !strings.Contains(body, `"reasons":["timeout"]`) {
					t.Errorf("got %d %s", code, body)
				}
			})
		}
		wg.Wait()
		t.Logf("%d probes of /health took %v", probes, time.Since(began))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d probes took %v", probes, took)
		}
	}
	if code, body := r.get("/livez"); code != http.StatusOK {
		t.Errorf("liveness says %d %s", code, body)
	}
	if runs.Load() != 1 {
		t.Errorf("%d runs", runs.Load())
	}
	close(hang)
}

func TestEngineCheck_DemandsOfOnePart(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	inventory := svc.Endpoints("inventory")
	degrade(t, b, svc)
	eventually(t, "the outage shows everywhere", func() bool {
		return svc.Config().Status().Level == core.Memory && inventory.Status().Level == core.Memory
	})
	for i, row := range []struct {
		c    health.Checker
		name string
		down bool
	}{
		{ConfigCheck(svc, Require{}), "require:config", false},
		{ConfigCheck(svc, Require{Level: core.Memory}), "require:config", false},
		{ConfigCheck(svc, Require{Level: core.Live}), "require:config", true},
		{ConfigCheck(svc, Require{MaxStale: time.Nanosecond}), "require:config", true},
		{EndpointsCheck(svc, "inventory", Require{}), "require:endpoints:inventory", false},
		{EndpointsCheck(svc, "inventory", Require{Up: 1}), "require:endpoints:inventory", true},
		{EndpointsCheck(svc, "inventory", Require{Level: core.Live}), "require:endpoints:inventory", true},
	} {
		r := row.c.Check(t.Context())
		if row.c.Name() != row.name || !r.Degraded || (r.Err != nil) != row.down || len(r.Reasons) > 0 != row.down || r.Details["level"] != "memory" {
			t.Errorf("%d: %s found %+v", i, row.c.Name(), r)
		}
	}
}

func engineWith(t testing.TB, opts MountOptions, svc *holdfast.Service) *gin.Engine {
	t.Helper()
	engine := gin.New()
	if err := Mount(engine, svc, opts); err != nil {
		t.Fatal(err)
	}
	return engine
}

func BenchmarkMount(b *testing.B) {
	backend := memory.New(memory.Options{})
	b.Cleanup(backend.Close)
	svc := startService(b, backend, nil)
	s := newChecks(b)
	for i := range 5 {
		if err := s.Register(health.Func(fmt.Sprint("part", i), func(context.Context) error { return nil }), health.CheckOptions{CacheFor: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
	engine := engineWith(b, MountOptions{Checks: s}, svc)
	for _, path := range []string{"/livez", "/readyz", "/health/part1", "/health/ready", "/health"} {
		b.Run(path, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			w := &discard{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				engine.ServeHTTP(w, req)
			}
			if w.code != http.StatusOK {
				b.Fatalf("status %d", w.code)
			}
		})
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct {
	header http.Header
	code   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(code int)        { d.code = code }
