package holdfastgin

import (
	"net/http"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
)

// TestMetrics_CountAllOfManyAtOnce: the caches are filled by all requests at once.
func TestMetrics_CountAllOfManyAtOnce(t *testing.T) {
	const clients, each = 16, 50
	engine, reg := measured(t, MetricsOptions{})
	engine.GET("/users/:id", func(c *gin.Context) { c.Status(http.StatusOK) })
	engine.POST("/users/:id", func(c *gin.Context) { c.Status(http.StatusConflict) })
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				serve(t, engine, http.MethodGet, "/users/7")
				serve(t, engine, http.MethodPost, "/users/7")
				serve(t, engine, http.MethodGet, "/none")
			}
		})
	}
	wg.Wait()
	wantRequests(t, reg, map[string]uint64{
		"GET 200 /users/:id": clients * each, "POST 409 /users/:id": clients * each, "GET 404 unmatched": clients * each,
	})
	if n := gauge(t, reg, "http_server_active_requests"); n != 0 {
		t.Errorf("%v requests are active after all ended", n)
	}
}

// TestMetrics_CountAnImpossibleStatusAs500: net/http panics when it should send it.
func TestMetrics_CountAnImpossibleStatusAs500(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{}, func(c *gin.Context) {
		c.Next()
		c.Status(http.StatusTeapot) // or the recorder panics
	})
	engine.GET("/", func(c *gin.Context) { c.Status(12345) })
	serve(t, engine, "GET", "/")
	wantRequests(t, reg, map[string]uint64{"GET 500 /": 1})
}
