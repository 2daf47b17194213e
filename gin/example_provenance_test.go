package holdfastgin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast"
	memorystore "github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
	"github.com/holdfast-go/holdfast/drivers/memory"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
	"github.com/holdfast-go/holdfast/policy"
)

// A handler answers by a fallback and says so; the client is told.
func ExampleProvenance() {
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

	away := false
	names := policy.Try(policy.Must(policy.Timeout{}), func(context.Context, string) (string, error) {
		if away {
			return "", errors.New("the database is away")
		}
		return "Ada", nil
	}).ThenCached(memorystore.New(), "names").ThenDefault("Guest").Must()
	defer func() { _ = names.Close(ctx) }()
	name := func(ctx context.Context, id string) string { // business code: it knows nothing of Gin
		answer, err := names.Ask(ctx, id)
		if err != nil {
			return ""
		}
		provenance.Note(ctx, answer.Level, answer.Age)
		return answer.Value
	}

	engine := gin.New()
	engine.Use(holdfastgin.Provenance(svc, holdfastgin.ProvenanceOptions{Headers: true}))
	engine.GET("/hello/:id", func(c *gin.Context) { c.String(http.StatusOK, "hello "+name(c.Request.Context(), c.Param("id"))) })
	ask := func(id string) {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/hello/"+id, nil))
		fmt.Println(w.Body, "-", w.Header().Get(holdfastgin.HeaderLevel)) // and holdfastgin.HeaderAge, in seconds
	}
	ask("7")
	away = true
	ask("7")
	ask("8")
	// Output:
	// hello Ada - live
	// hello Ada - cached
	// hello Guest - default
}

// A route that is made of a part of the service alone, and of something of its own.
func ExamplePart() {
	ctx := context.Background()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Put("/config/shop/prices/book", []byte("12"))
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: "shop", Registry: backend.Registry(), Config: backend.ConfigSource("/config/shop/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()
	price, err := holdfast.Bind(svc.Config(), "prices/book", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := svc.Config().WaitLevel(ctx, core.Live); err != nil {
		fmt.Println(err)
		return
	}
	rates := func() (core.Level, time.Duration) { return core.Memory, 90 * time.Second } // a table that is loaded now and then

	engine := gin.New()
	engine.GET("/book", holdfastgin.Provenance(svc, holdfastgin.ProvenanceOptions{
		Of: []holdfastgin.Part{holdfastgin.ValuePart(price), rates}, // and not holdfastgin.EndpointsPart(svc, "stock"), ConfigPart(svc), ...
	}), func(c *gin.Context) {
		p, _ := provenance.From(c.Request.Context())
		c.String(http.StatusOK, "%d, as of %v ago (%v)", price.Get(), p.Age, p.Level)
	})
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/book", nil))
	fmt.Println(w.Body)
	// Output: 12, as of 1m30s ago (memory)
}

// A payment needs prices that are at most five minutes old; everything else is
// served with what there is.
func ExampleAdmission() {
	prices := func() (core.Level, time.Duration) { return core.Cached, time.Hour }
	engine := gin.New()
	engine.POST("/pay", holdfastgin.Admission(nil, holdfastgin.AdmissionOptions{
		Of: []holdfastgin.Part{prices}, MaxStale: 5 * time.Minute,
		Problems: holdfastgin.ProblemOptions{RetryAfter: -1, TypeBase: "https://errors.example/"},
	}), func(c *gin.Context) { c.Status(http.StatusCreated) })
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/pay", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 503 {"type":"https://errors.example/stale","title":"What the service knows is out of date","status":503,"level":"cached"}
}
