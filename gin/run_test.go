package holdfastgin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
)

// healthy makes an engine with health endpoints and one route.
func healthy(t *testing.T, svc *holdfast.Service) *gin.Engine {
	t.Helper()
	engine := gin.New()
	if err := Mount(engine, svc, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	limit, err := holdfast.Bind(svc.Config(), "limits/max_items", 1)
	if err != nil {
		t.Fatal(err)
	}
	engine.GET("/limit", Provenance(svc, ProvenanceOptions{Headers: true, Refresh: -1}), func(c *gin.Context) { c.JSON(http.StatusOK, limit.Get()) })
	return engine
}

func TestRun_LeavesInTheOrderThatNoPeerNotices(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	stop := fast()
	stop.LameDuck = time.Hour
	r := runService(t, svc, healthy(t, svc), RunOptions{Stop: stop, Instance: core.Instance{Zone: "a", Weight: 3}})
	id := strings.TrimPrefix(r.url, "http://")

	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	in := instances(t, b, "orders")[id]
	if in.Endpoints[0] != r.url || in.Zone != "a" || in.Weight != 3 || in.Version != "1.0.0" {
		t.Errorf("announced %+v", in)
	}
	if code, body := r.get("/readyz"); code != http.StatusOK {
		t.Errorf("before the end /readyz says %d %s", code, body)
	}

	r.stop()
	eventually(t, "the lame duck begins", func() bool { return r.life.Phase() == PhaseLameDuck })
	if in := instances(t, b, "orders")[id]; in.Status != core.StatusDraining {
		t.Errorf("in the lame duck peers see status %v", in.Status)
	}
	if code, body := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "lame duck") {
		t.Errorf("in the lame duck /readyz says %d %s", code, body)
	}
	if code, _ := r.get("/livez"); code != http.StatusOK {
		t.Errorf("in the lame duck /livez says %d", code)
	}
	resp := r.request(http.MethodGet, "/limit")
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(body) != "7" {
		t.Errorf("in the lame duck a request gets %d %q %v", resp.StatusCode, body, err)
	}
	if !resp.Close {
		t.Error("in the lame duck a connection is kept alive")
	}

	r.life.Hurry()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
	if left := instances(t, b, "orders"); len(left) != 0 {
		t.Errorf("after the end peers see %v", left)
	}
	if r.life.Phase() != PhaseClosed {
		t.Errorf("after the end the phase is %v", r.life.Phase())
	}
	if _, err := svc.Announce(core.Instance{Endpoints: []string{"http://127.0.0.1:1"}}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("after the end the service is not closed: %v", err)
	}
	lines := r.log.lines("holdfast: lifecycle")
	for i, phase := range []string{"draining", `"lame duck"`, "deregistering", "stopping", "hooks", "flushing", "closing"} {
		if i >= len(lines) || !strings.Contains(lines[i], "phase="+phase) {
			t.Fatalf("line %d of the end is not about %s:\n%s", i, phase, strings.Join(lines, ""))
		}
	}
}

// Failure case 1: the backend is down at the start, and there is a cache.
func TestRun_IsReadyFromTheCacheWhileTheBackendIsDown(t *testing.T) {
	b := newBackend(t)
	dir := t.TempDir()
	store := file.New(dir, file.Options{})
	svc := startService(t, b, store)
	if _, err := holdfast.Bind(svc.Config(), "limits/max_items", 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(svc.WaitLevel(t.Context(), core.Live), svc.Close(t.Context()), store.Close()); err != nil {
		t.Fatal(err)
	}

	b.Cut()
	store = file.New(dir, file.Options{})
	defer func() { _ = store.Close() }()
	svc = startService(t, b, store)
	r := runService(t, svc, healthy(t, svc), RunOptions{Stop: fast()})
	if _, body := r.get("/limit"); body != "7" {
		t.Errorf("the limit is %s, and the cache holds 7", body)
	}
	if code, body := r.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz says %d %s", code, body)
	}
	code, body := r.get("/health")
	if rep := readReport(t, body); code != http.StatusOK || rep.Status != up || !rep.Degraded || rep.Details["config"].Level != "cached" {
		t.Errorf("/health says %d %s", code, body)
	}

	b.Heal()
	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	eventually(t, "/health is no longer degraded", func() bool {
		_, body := r.get("/health")
		return !readReport(t, body).Degraded
	})
	r.stop()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

// Failure case 4: the backend dies while the service runs.
func TestRun_ServesOnWhileTheBackendIsCutOff(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	r := runService(t, svc, healthy(t, svc), RunOptions{Stop: fast()})
	eventually(t, "the service is live", func() bool { return svc.Status().Level == core.Live })

	b.Cut()
	eventually(t, "the outage shows", func() bool {
		resp := r.request(http.MethodGet, "/limit")
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("a request gets %d", resp.StatusCode)
		}
		return resp.Header.Get(HeaderLevel) == "memory" && resp.Header.Get(HeaderAge) != ""
	})
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		if code, body := r.get(path); code != http.StatusOK {
			t.Errorf("%s says %d %s", path, code, body)
		}
	}
	if _, body := r.get("/limit"); body != "7" {
		t.Errorf("the limit is %s", body)
	}
}

// Failure case 30: the process is told to end while the backend is silent.
func TestRun_EndsInTimeWhileTheBackendIsSilent(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	engine := healthy(t, svc)
	begun, finish := make(chan struct{}), make(chan struct{})
	engine.GET("/slow", func(c *gin.Context) {
		close(begun)
		<-finish
		c.String(http.StatusOK, "done")
	})
	r := runService(t, svc, engine, RunOptions{Stop: fast()})
	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	slow := make(chan string, 1)
	go func() {
		_, body := r.get("/slow")
		slow <- body
	}()
	<-begun

	b.Silence()
	began := time.Now()
	r.stop()
	eventually(t, "the server stops", func() bool { return r.life.Phase() == PhaseStopping })
	close(finish)
	if body := <-slow; body != "done" {
		t.Errorf("the request under way got %q", body)
	}
	if err := r.ended(); err != nil {
		t.Errorf("a silent backend is no error of the program: %v", err)
	}
	// 0.3 s each to drain and to deregister, 1 s each to flush and to close, and
	// overtime; the machine may be busy.
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the end took %v", took)
	}
	if len(r.log.lines("level=WARN")) == 0 {
		t.Error("nothing in the log says that the backend did not answer")
	}
}

func TestRun_SaysThatThePortIsTakenBeforeAnythingIsAnnounced(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	taken := listen(t, "127.0.0.1:0")
	defer func() { _ = taken.Close() }()
	err := Run(t.Context(), svc, gin.New(), taken.Addr().String(), RunOptions{Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if len(svc.Announcements()) != 0 {
		t.Error("it was announced")
	}
}

func TestRun_RefusesMistakesOfTheProgram(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	b := newBackend(t)
	other := startService(t, b, nil)
	for name, run := range map[string]func(svc *holdfast.Service) error{
		"no service": func(*holdfast.Service) error { return Run(t.Context(), nil, gin.New(), "127.0.0.1:0", RunOptions{}) },
		"no engine": func(svc *holdfast.Service) error {
			return Run(t.Context(), svc, nil, "127.0.0.1:0", RunOptions{Logger: quiet})
		},
		"a lifecycle of another": func(svc *holdfast.Service) error {
			return Run(t.Context(), svc, gin.New(), "127.0.0.1:0", RunOptions{Logger: quiet, Lifecycle: NewLifecycle(other, fast())})
		},
		"an address for listening": func(svc *holdfast.Service) error {
			return Run(t.Context(), svc, gin.New(), "127.0.0.1:0", RunOptions{Logger: quiet, Advertise: AdvertiseOptions{Address: "[::]"}})
		},
		"an instance that nobody can take": func(svc *holdfast.Service) error {
			return Run(t.Context(), svc, gin.New(), "127.0.0.1:0", RunOptions{Logger: quiet, Instance: core.Instance{Weight: -1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(startService(t, b, nil)); !errors.Is(err, core.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRun_AnnouncesWhatTheEnvironmentSays(t *testing.T) {
	t.Setenv(DefaultAdvertiseEnv, "127.0.0.9")
	b := newBackend(t)
	svc := startService(t, b, nil)
	r := runService(t, svc, gin.New(), RunOptions{Stop: fast()})
	port := r.url[strings.LastIndex(r.url, ":"):]
	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	want := Advertised{Endpoint: "http://127.0.0.9" + port, Reason: "environment " + DefaultAdvertiseEnv}
	if got := r.life.Status().Advertised; got != want {
		t.Errorf("advertised %+v, want %+v", got, want)
	}
	if in := instances(t, b, "orders")["127.0.0.9"+port]; len(in.Endpoints) != 1 || in.Endpoints[0] != want.Endpoint {
		t.Errorf("registered %+v", in)
	}
}

func TestRun_ServesWithoutARegistryOrWithoutAnnouncing(t *testing.T) {
	b := newBackend(t)
	alone, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "alone", Config: b.ConfigSource("/config/orders/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, svc := range map[string]*holdfast.Service{"no registry": alone, "NoAnnounce": startService(t, b, nil)} {
		r := runService(t, svc, healthy(t, svc), RunOptions{Stop: fast(), NoAnnounce: svc != alone})
		if code, _ := r.get("/readyz"); code != http.StatusOK {
			t.Errorf("%s: /readyz says %d", name, code)
		}
		if n := len(svc.Announcements()); n != 0 {
			t.Errorf("%s: announced %d", name, n)
		}
		r.stop()
		if err := r.ended(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRun_EndsWhenServingFails(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	ln := listen(t, "127.0.0.1:0")
	r := runService(t, svc, gin.New(), RunOptions{Stop: LifecycleOptions{LameDuck: time.Hour}, Listener: ln})
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.ended(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
}

func TestRun_CutsOffRequestsThatDoNotEnd(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	engine := gin.New()
	begun, finish := make(chan struct{}), make(chan struct{})
	causes := make(chan error, 1)
	engine.GET("/stuck", func(c *gin.Context) {
		close(begun)
		<-c.Request.Context().Done()
		causes <- context.Cause(c.Request.Context())
		<-finish
	})
	stop := fast()
	stop.ShutdownTimeout = 300 * time.Millisecond
	r := runService(t, svc, engine, RunOptions{Stop: stop})
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/stuck", nil)
		if resp, err := r.client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-begun
	r.stop()
	err := r.ended()
	close(finish)
	if err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v", err)
	}
	if cause := <-causes; !errors.Is(cause, errRequestsEnd) {
		t.Errorf("the request's context ended by %v", cause)
	}
}

func TestRun_EndsThoughTheProgramStoppedItsLifeBefore(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	r := runService(t, svc, gin.New(), RunOptions{Stop: fast()})
	// Run alone knows the server.
	if err := r.life.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

func TestRun_ClosesWhatItOwnsWhateverIsWrong(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	b := newBackend(t)
	svc, other := startService(t, b, nil), startService(t, b, nil)
	ln := listen(t, "127.0.0.1:0")
	life := NewLifecycle(other, fast())
	if err := Run(t.Context(), svc, gin.New(), "", RunOptions{Listener: ln, Logger: quiet, Lifecycle: life}); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := svc.Announce(core.Instance{ID: "a", Endpoints: []string{"http://127.0.0.1:1"}}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("the service is open: %v", err)
	}
	if life.Phase() != PhaseStarting {
		t.Errorf("the life of another service is %v", life.Phase())
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}

	ln = listen(t, "127.0.0.1:0")
	if err := Run(t.Context(), nil, gin.New(), "", RunOptions{Listener: ln}); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("without a service the listener is open: %v", err)
	}
}

func TestRun_EndsWithALifeThatWasOverBefore(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	life := NewLifecycle(svc, fast())
	if err := life.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := runService(t, svc, gin.New(), RunOptions{Lifecycle: life, NoAnnounce: true})
	r.stop()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}
