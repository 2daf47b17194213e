package holdfastgin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/health"
)

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
