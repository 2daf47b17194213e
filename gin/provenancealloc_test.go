//go:build !race

package holdfastgin

import (
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
)

// TestProvenance_AllocatesOnce holds the middleware to one allocation per request:
// its context may outlive it, so that it can't come from a pool.
func TestProvenance_AllocatesOnce(t *testing.T) {
	of := []Part{partAt(core.Memory, 12*time.Second)}
	for name, opts := range map[string]ProvenanceOptions{
		"context": {Of: of},
		"headers": {Of: of, Headers: true},
	} {
		serve := loop([]gin.HandlerFunc{Provenance(nil, opts)}, make(http.Header))
		if got := testing.AllocsPerRun(1000, serve); got != 1 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
