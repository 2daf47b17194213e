package holdfastgin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
	"github.com/holdfast-go/holdfast/policy"
)

// Handlers report their errors; what the client is told is decided in one place.
func ExampleProblems() {
	users := policy.Must(policy.Bulkhead{MaxConcurrent: 1})
	engine := gin.New()
	engine.Use(
		gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { holdfastgin.WriteProblem(c, holdfastgin.Problem{}) }),
		holdfastgin.Problems(holdfastgin.ProblemOptions{TypeBase: "https://errors.example/", RetryAfter: -1}),
	)
	engine.GET("/users/:id", func(c *gin.Context) {
		err := users.Do(c.Request.Context(), func(ctx context.Context) error {
			return users.Do(ctx, func(context.Context) error { return nil }) // nobody leaves while we wait
		})
		if err != nil {
			_ = c.Error(fmt.Errorf("users of 10.0.0.7: %w", err))
		}
	})
	engine.GET("/orders/:id", func(c *gin.Context) {
		_ = c.Error(fmt.Errorf("%w: no order %q", core.ErrNotFound, c.Param("id"))).SetType(gin.ErrorTypePublic)
	})
	engine.GET("/panic", func(*gin.Context) { panic("oh") })
	engine.NoRoute(func(c *gin.Context) { holdfastgin.WriteProblem(c, holdfastgin.Problem{Status: http.StatusNotFound}) })
	for _, path := range []string{"/users/7", "/orders/7", "/panic", "/none"} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil))
		fmt.Println(w.Body)
	}
	// Output:
	// {"type":"https://errors.example/overloaded","title":"Too many requests at a time","status":503}
	// {"title":"Not Found","status":404,"detail":"not found: no order \"7\""}
	// {"title":"Internal Server Error","status":500}
	// {"title":"Not Found","status":404}
}

// Some callers know another form of error; it is written in one place, too.
func ExampleProblemOptions_writer() {
	opts := holdfastgin.ProblemOptions{WriteProblem: func(c *gin.Context, p holdfastgin.Problem) {
		if c.GetHeader("Accept") != "text/plain" {
			p.Instance = "/requests/" + c.GetHeader("X-Request-Id")
			holdfastgin.WriteProblem(c, p)
			return
		}
		c.String(p.Status, p.Title)
		c.Abort()
	}}
	engine := gin.New()
	engine.GET("/", holdfastgin.Problems(opts), func(c *gin.Context) { _ = c.Error(core.ErrConflict) })
	for _, accept := range []string{"text/plain", "*/*"} {
		req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
		req.Header.Set("Accept", accept)
		req.Header.Set("X-Request-Id", "42")
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, req)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 409 Conflict
	// 409 {"title":"Conflict","status":409,"instance":"/requests/42"}
}

// What an error of Holdfast means for a client.
func ExampleProblemOf() {
	limited := policy.Must(policy.RateLimit{Rate: 1, Interval: 10 * time.Second})
	call := func() error {
		return limited.Do(context.Background(), func(context.Context) error { return nil })
	}
	fmt.Println(call())
	p, ok := holdfastgin.ProblemOf(call())
	fmt.Println(p.Status, p.Title, p.RetryAfter, ok)
	_, ok = holdfastgin.ProblemOf(errors.New("of somebody else"))
	fmt.Println(ok)
	// Output:
	// <nil>
	// 429 Too many requests 10s true
	// false
}

// A handler that refuses by itself.
func ExampleWriteProblem() {
	engine := gin.New()
	engine.GET("/shop", func(c *gin.Context) {
		holdfastgin.WriteProblem(c, holdfastgin.Problem{
			Type: "https://shop.example/closed", Title: "Closed on Sundays", Status: http.StatusServiceUnavailable,
			RetryAfter: 8 * time.Hour, Extensions: map[string]any{"opens": "Monday, 9:00"},
		})
	})
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/shop", nil))
	fmt.Println(w.Header().Get("Content-Type"), w.Header().Get("Retry-After"))
	fmt.Println(w.Body)
	// Output:
	// application/problem+json 28800
	// {"type":"https://shop.example/closed","title":"Closed on Sundays","status":503,"retry_after":28800,"opens":"Monday, 9:00"}
}
