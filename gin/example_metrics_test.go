package holdfastgin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/drivers/memory"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
	"github.com/holdfast-go/holdfast/metrics"
)

// Requests, the service and the program's own counter of orders are on one
// registry.
func ExampleMetrics() {
	ctx := context.Background()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: "orders", Config: backend.ConfigSource("/config/orders/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()
	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{})
	life.Ready()

	reg := prometheus.NewRegistry()
	collector, err := metrics.New(svc, metrics.Options{Phases: life.Phases})
	if err != nil {
		fmt.Println(err)
		return
	}
	measure, err := holdfastgin.Metrics(reg, holdfastgin.MetricsOptions{Skip: []string{"/metrics"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_total", Help: "Orders taken."}, []string{"kind"})
	reg.MustRegister(collector, orders)

	engine := gin.New()
	engine.Use(measure, gin.Recovery())
	engine.POST("/orders/:kind", func(c *gin.Context) {
		orders.WithLabelValues("book").Inc()
		c.Status(http.StatusCreated)
	})
	engine.GET("/metrics", holdfastgin.MetricsHandler(reg, holdfastgin.MetricsHandlerOptions{}))

	serve := func(method, path string) string {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, nil))
		return w.Body.String()
	}
	serve(http.MethodPost, "/orders/book")
	serve(http.MethodPost, "/orders/book")
	serve(http.MethodGet, "/nothing-here")
	for line := range strings.Lines(serve(http.MethodGet, "/metrics")) {
		for _, shown := range []string{"orders_total", "http_server_request_duration_seconds_count", `holdfast_lifecycle_phase{phase="ready"}`} {
			if strings.HasPrefix(line, shown) {
				fmt.Print(line)
			}
		}
	}
	// Output:
	// holdfast_lifecycle_phase{phase="ready"} 1
	// http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="unmatched"} 1
	// http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="201",http_route="/orders/:kind"} 2
	// orders_total{kind="book"} 2
}
