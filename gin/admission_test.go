package holdfastgin

import (
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
)

func TestAdmission_RefusesWhatIsNotGoodEnough(t *testing.T) {
	for name, row := range map[string]struct {
		opts    AdmissionOptions
		refused string
		level   any
	}{
		"nothing is required":  {AdmissionOptions{Of: []Part{partAt(core.Empty, time.Hour)}}, "", nil},
		"no parts":             {AdmissionOptions{RequireLevel: core.Live}, "", nil},
		"good enough":          {AdmissionOptions{Of: []Part{partAt(core.Memory, time.Second)}, RequireLevel: core.Memory, MaxStale: time.Minute}, "", nil},
		"below":                {AdmissionOptions{Of: []Part{partAt(core.Live, 0), partAt(core.Cached, time.Second)}, RequireLevel: core.Memory}, "stale", "cached"},
		"too old":              {AdmissionOptions{Of: []Part{partAt(core.Memory, time.Hour)}, MaxStale: time.Minute}, "stale", "memory"},
		"a default has no age": {AdmissionOptions{Of: []Part{partAt(core.Default, time.Hour)}, MaxStale: time.Minute}, "", nil},
	} {
		ran := false
		resp := asked(t, http.MethodGet, Admission(nil, row.opts), func(c *gin.Context) { ran = true; c.JSON(200, gin.H{}) })
		body := bodyOf(t, resp)
		if row.refused == "" {
			if !ran || resp.StatusCode != 200 {
				t.Errorf("%s: it was refused: %d %v", name, resp.StatusCode, body)
			}
			continue
		}
		if ran || resp.StatusCode != 503 || body["type"] != called(row.refused) || body["level"] != row.level || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v, %v; want 503 %s, level %v; the handler ran: %v", name, resp.StatusCode, resp.Header, body, row.refused, row.level, ran)
		}
	}
}

func TestAdmission_RefusesWhileStartingAndNotWhileDraining(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	life := NewLifecycle(svc, fast())
	own := AdmissionOptions{Lifecycle: life, Problems: ProblemOptions{WriteProblem: func(c *gin.Context, p Problem) {
		c.JSON(p.Status, gin.H{"mine": p.Type}) // a writer that forgets to abort
	}}}
	ask := func() (int, any, bool) {
		ran := false
		resp := asked(t, http.MethodGet, Admission(svc, own), func(c *gin.Context) { ran = true; c.JSON(200, gin.H{}) })
		return resp.StatusCode, bodyOf(t, resp)["mine"], ran
	}
	if code, mine, ran := ask(); code != 503 || mine != called("not-ready") || ran {
		t.Errorf("starting: %d %v, ran %v", code, mine, ran)
	}
	life.Ready()
	if code, _, ran := ask(); code != 200 || !ran {
		t.Errorf("ready: %d, ran %v", code, ran)
	}
	if err := life.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _, ran := ask(); code != 200 || !ran {
		t.Errorf("draining: %d, ran %v", code, ran)
	}
}

// TestAdmission_FollowsTheService: the backend goes, the route refuses.
func TestAdmission_FollowsTheService(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.GET("/", Admission(svc, AdmissionOptions{RequireLevel: core.Live, Refresh: -1}), func(c *gin.Context) { c.Status(204) })
	if w := serve(t, engine, "GET", "/"); w.Code != 204 {
		t.Fatalf("live: %d %s", w.Code, w.Body)
	}
	b.Cut()
	eventually(t, "it is refused", func() bool { return serve(t, engine, "GET", "/").Code == 503 })
}
