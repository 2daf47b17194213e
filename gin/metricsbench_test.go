package holdfastgin

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// unsent is a response writer that costs nothing.
type unsent struct{ header http.Header }

func (d *unsent) Header() http.Header         { return d.header }
func (d *unsent) Write(b []byte) (int, error) { return len(b), nil }
func (d *unsent) WriteHeader(int)             {}

// loop returns one request to an engine with some middlewares.
func loop(middlewares []gin.HandlerFunc, header http.Header) func() {
	engine := gin.New()
	engine.Use(middlewares...)
	engine.GET("/users/:id", func(c *gin.Context) { c.Status(http.StatusOK) })
	req := httptest.NewRequest(http.MethodGet, "/users/7", nil) //nolint:noctx // of a benchmark's loop
	req.Header = header
	w := &unsent{header: make(http.Header)}
	return func() { engine.ServeHTTP(w, req) }
}

func meterFor(tb testing.TB, opts MetricsOptions) []gin.HandlerFunc {
	tb.Helper()
	m, err := Metrics(prometheus.NewRegistry(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return []gin.HandlerFunc{m}
}

func traced() http.Header {
	return http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
}

func BenchmarkMetrics(b *testing.B) {
	for _, row := range []struct {
		name        string
		middlewares []gin.HandlerFunc
		header      http.Header
	}{
		{"bare", nil, nil},
		{"metrics", meterFor(b, MetricsOptions{}), nil},
		{"native", meterFor(b, MetricsOptions{NativeHistograms: true}), nil},
		{"traced", meterFor(b, MetricsOptions{}), traced()},
		{"skipped", meterFor(b, MetricsOptions{Skip: []string{"/users/:id"}}), nil},
	} {
		b.Run(row.name, func(b *testing.B) {
			serve := loop(row.middlewares, row.header)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func BenchmarkMetricsParallel(b *testing.B) {
	for _, row := range []struct {
		name        string
		middlewares []gin.HandlerFunc
	}{{"bare", nil}, {"metrics", meterFor(b, MetricsOptions{})}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				serve := loop(row.middlewares, nil)
				for pb.Next() {
					serve()
				}
			})
		})
	}
}
