package holdfastgin

import (
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

func BenchmarkProvenance(b *testing.B) {
	backend := memory.New(memory.Options{})
	b.Cleanup(backend.Close)
	svc := startService(b, backend, nil)
	degraded := []Part{partAt(core.Memory, 12*time.Second)}
	note := func(c *gin.Context) { provenance.Note(c.Request.Context(), core.Cached, time.Minute) }
	for _, row := range []struct {
		name        string
		middlewares []gin.HandlerFunc
	}{
		{"bare", nil},
		{"context", []gin.HandlerFunc{Provenance(svc, ProvenanceOptions{})}},
		{"note", []gin.HandlerFunc{Provenance(svc, ProvenanceOptions{}), note}},
		{"headers", []gin.HandlerFunc{Provenance(svc, ProvenanceOptions{Headers: true})}},
		{"degraded", []gin.HandlerFunc{Provenance(svc, ProvenanceOptions{Headers: true, Of: degraded})}},
		{"WithContext", []gin.HandlerFunc{func(c *gin.Context) { // what any middleware costs that gives a request a value
			c.Request = c.Request.WithContext(provenance.Within(c.Request.Context()))
		}}},
	} {
		b.Run(row.name, func(b *testing.B) {
			serve := loop(row.middlewares, make(http.Header))
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func BenchmarkProvenanceParallel(b *testing.B) {
	middleware := []gin.HandlerFunc{Provenance(nil, ProvenanceOptions{Headers: true, Of: []Part{partAt(core.Memory, 12*time.Second)}})}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		serve := loop(middleware, make(http.Header))
		for pb.Next() {
			serve()
		}
	})
}
