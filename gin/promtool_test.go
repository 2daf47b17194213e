package holdfastgin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/holdfast-go/holdfast"
	memorystore "github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
	"github.com/holdfast-go/holdfast/metrics"
	"github.com/holdfast-go/holdfast/policy"
	"github.com/holdfast-go/holdfast/system"
)

// promtoolEnv names a promtool to check with; .ci/run builds one.
const promtoolEnv = "PROMTOOL_BIN"

// wholeScrape is /metrics of a service that has a bit of everything: collector, system,
// middleware, runtime, process, and a metric of the program's own.
func wholeScrape(t *testing.T) string {
	t.Helper()
	b := newBackend(t)
	users := policy.Must(policy.Retry{}, policy.Hedge{}, policy.Breaker{}, policy.RateLimit{}, policy.Bulkhead{}, policy.Timeout{})
	svc, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "orders", Version: "1.0.0", Cache: memorystore.New(), Policy: policy.Must(policy.Breaker{}, policy.Timeout{}),
		Registry: b.Registry(), Config: b.ConfigSource("/config/orders/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	life := NewLifecycle(svc, fast())
	checks := newChecks(t)
	failing := func(context.Context, string) (string, error) { return "", core.ErrUnavailable }
	profiles := policy.Try(users, failing).ThenCached(memorystore.New(), "profiles").ThenDefault("Guest").Must()
	defer func() {
		if err := errors.Join(profiles.Close(t.Context()), svc.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if _, level, err := profiles.Get(t.Context(), "ann"); err != nil || level != core.Default {
		t.Fatal(level, err)
	}
	limit, err := holdfast.Bind(svc.Config(), "limits/max_items", 5)
	if err != nil {
		t.Fatal(err)
	}
	announced, err := svc.Announce(core.Instance{ID: "a", Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Put("/config/orders/limits/max_items", []byte("many"))
	eventually(t, "the value is refused and the instance registered", func() bool {
		return limit.Status().Refused > 0 && announced.Status().State == holdfast.StateRegistered
	})
	if err := errors.Join(
		svc.Endpoints("orders").WaitLevel(t.Context(), core.Live),
		checks.Register(health.Func("part", func(context.Context) error { return nil }), health.CheckOptions{}),
	); err != nil {
		t.Fatal(err)
	}

	sampler, err := system.New(system.Options{Interval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sampler.Start()
	defer func() { _ = sampler.Close(t.Context()) }()
	if sampler.Supported() {
		first := time.Time{}
		eventually(t, "the system is sampled twice, which CPU figures need", func() bool {
			s, ok := sampler.Sample()
			if ok && first.IsZero() {
				first = s.TakenAt
			}
			return ok && s.TakenAt.After(first)
		})
	}

	reg := prometheus.NewRegistry()
	collector, err := metrics.New(svc, metrics.Options{
		Chains: map[string]*policy.Chain{"users": users}, Fallbacks: map[string]metrics.Fallback{"profiles": profiles},
		Phases: life.Phases, Checks: CheckMetrics(checks), System: sampler,
	})
	if err != nil {
		t.Fatal(err)
	}
	measure, err := Metrics(reg, MetricsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	orders := prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders taken."})
	reg.MustRegister(collector, orders, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	engine := gin.New()
	engine.Use(measure)
	engine.GET("/orders/:id", func(*gin.Context) { orders.Inc() })
	if err := Mount(engine, svc, MountOptions{Metrics: reg, Checks: checks}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/orders/7", "/none", "/health"} {
		serve(t, engine, http.MethodGet, path)
	}
	w := serve(t, engine, http.MethodGet, "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics says %d", w.Code)
	}
	return w.Body.String()
}

// TestMetrics_WholeEndpointPassesPromtool checks what a scraper gets, by the library
// that promtool's check is made of, and by promtool itself where there is one.
func TestMetrics_WholeEndpointPassesPromtool(t *testing.T) {
	text := wholeScrape(t)
	families := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# TYPE holdfast_") || strings.HasPrefix(line, "# TYPE http_server_") {
			families++
		}
	}
	if families < 45 || !strings.Contains(text, "orders_total 1") {
		t.Errorf("the scrape has %d families of ours; it should have a bit of everything:\n%s", families, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	t.Run("promtool", func(t *testing.T) {
		promtool := os.Getenv(promtoolEnv)
		if promtool == "" {
			t.Skipf("%s names no promtool; its linter library has passed, and .ci/run builds one", promtoolEnv)
		}
		check := func(text string) (string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, promtool, "check", "metrics", "--lint=all") //nolint:gosec // it is named by .ci/run, or by who runs the test
			cmd.Stdin = strings.NewReader(text)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			err := cmd.Run()
			return said.String(), err
		}
		if said, err := check(text); err != nil || said != "" {
			t.Errorf("promtool check metrics: %v\n%s", err, said)
		}
		if said, err := check(text + "# TYPE bad_counter counter\nbad_counter 1\n"); err == nil || !strings.Contains(said, "bad_counter") {
			t.Errorf("promtool finds nothing wrong with a counter that is not named as one: %v\n%s", err, said)
		}
	})
}
