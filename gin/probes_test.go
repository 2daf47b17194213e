package holdfastgin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast/health"
)

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
	runs := db.runs.Load()
	codes(t, engine, "draining", map[string]int{"/readyz": 503, "/health/ready": 503})
	if db.runs.Load() != runs {
		t.Error("readiness asks checks whose answers do not count")
	}
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
	mount := func(opts MountOptions) *gin.Engine {
		opts.Checks, opts.Authorize = s, sesame
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

func sesame(c *gin.Context) bool { return c.Query("key") == "sesame" }

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
	for _, probes := range []int{10, 50} {
		t.Run(fmt.Sprint(probes), func(t *testing.T) {
			svc := startService(t, newBackend(t), nil)
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
			for _, when := range []string{"first", "later"} {
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
				took := time.Since(began)
				t.Logf("the %s %d probes of /health took %v", when, probes, took)
				if took > 5*time.Second {
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
		})
	}
}
