package holdfastgin

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast/core"
)

// broken is a collector that fails.
type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("it is broken"))
}

func TestMetricsHandler_ShowsTheRestWhenACollectorFails(t *testing.T) {
	reg := prometheus.NewRegistry()
	orders := prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."})
	reg.MustRegister(orders, broken{prometheus.NewDesc("broken", "Broken.", nil, nil)})
	log := &logbook{}
	engine := gin.New()
	engine.GET("/metrics", MetricsHandler(reg, MetricsHandlerOptions{Logger: slog.New(slog.NewTextHandler(log, nil))}))
	for range 3 {
		if w := serve(t, engine, "GET", "/metrics"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "orders_total 0") {
			t.Errorf("it says %d %s", w.Code, w.Body)
		}
	}
	if lines := log.lines("it is broken"); len(lines) != 1 {
		t.Errorf("it logged %q; want one line for three scrapes", lines)
	}
}

func TestMetricsHandler_WithoutMetrics(t *testing.T) {
	engine := gin.New()
	engine.GET("/metrics", MetricsHandler(nil, MetricsHandlerOptions{}))
	if w := serve(t, engine, "GET", "/metrics"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("it says %d %s", w.Code, w.Body)
	}
}

func TestMount_AddsMetricsOnce(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."}))
	engine := gin.New()
	if err := Mount(engine, svc, MountOptions{Metrics: reg}); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if w := serve(t, engine, method, "/metrics"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "orders_total 0") {
			t.Errorf("%s says %d %s", method, w.Code, w.Body)
		}
	}
	if w := probe(t, svc, MountOptions{}, http.MethodGet, "/metrics"); w.Code != http.StatusNotFound {
		t.Errorf("without metrics it says %d", w.Code)
	}
	taken := gin.New()
	taken.GET("/metrics", func(*gin.Context) {})
	if err := Mount(taken, svc, MountOptions{Metrics: reg}); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "/metrics") {
		t.Errorf("a route that is there: %v", err)
	}
}
