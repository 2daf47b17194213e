package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// large is a service with n bindings and n services that it calls.
func large(b *testing.B, n int) *holdfast.Service {
	b.Helper()
	backend := memory.New(memory.Options{Heartbeat: time.Minute})
	b.Cleanup(backend.Close)
	put := make(map[string][]byte)
	for i := range n {
		put[fmt.Sprintf("/config/orders/part%04d/max_items", i)] = []byte("7")
	}
	backend.Txn(put)
	svc, err := holdfast.Start(b.Context(), holdfast.Options{
		Name: "orders", Registry: backend.Registry(), Config: backend.ConfigSource("/config/orders/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := svc.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	for i := range n {
		if _, err := holdfast.Bind(svc.Config(), fmt.Sprintf("part%04d", i), limits{MaxItems: 1}); err != nil {
			b.Fatal(err)
		}
		svc.Endpoints(fmt.Sprintf("service%04d", i))
	}
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	if err := svc.WaitLevel(ctx, core.Live); err != nil {
		b.Fatal(err)
	}
	return svc
}

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkScrape shows what a scrape costs: the picture alone, the collector,
// what the registry makes of it, and the text on the wire.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 500, 1000} {
		svc := large(b, n)
		c, err := New(svc, Options{})
		if err != nil {
			b.Fatal(err)
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(c)
		b.Run(fmt.Sprintf("status/%d+%d", n, n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = svc.Status()
			}
		})
		b.Run(fmt.Sprintf("collect/%d+%d", n, n), func(b *testing.B) {
			ch := make(chan prometheus.Metric, 10*n+200)
			b.ReportAllocs()
			for b.Loop() {
				c.Collect(ch)
				for len(ch) > 0 {
					<-ch
				}
			}
		})
		b.Run(fmt.Sprintf("gather/%d+%d", n, n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := reg.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("http/%d+%d", n, n), func(b *testing.B) {
			h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{make(http.Header)}, req)
			}
		})
	}
}
