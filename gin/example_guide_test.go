package holdfastgin_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
	"github.com/holdfast-go/holdfast/policy"
)

// The snippets of docs/gin.md. They are compiled, and a test finds each of them here
// or in another example.
var (
	svc      *holdfast.Service
	engine   *gin.Engine
	db       *sql.DB
	reg      *prometheus.Registry
	limits   *holdfast.Value[int]
	profiles *policy.Fallback[string, string]
	poll     gin.HandlerFunc
	pay      gin.HandlerFunc
	getOrder func(ctx context.Context, id string) (string, error)
)

// Options of Run.
func ExampleRun() {
	ctx := context.Background()
	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{LameDuck: 3 * time.Second})
	life.OnStop("database", 0, func(context.Context) error { return db.Close() })
	err := holdfastgin.Run(ctx, svc, engine, ":8080", holdfastgin.RunOptions{
		Lifecycle: life,
		Instance:  core.Instance{Zone: "eu-1", Metadata: map[string]string{"track": "canary"}},
		Advertise: holdfastgin.AdvertiseOptions{Address: "orders-7.example.org"},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// The pieces of Run, in a main of the program's own.
func ExampleLifecycle_pieces() {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer release()
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", ":8080")
	if err != nil {
		log.Fatal(err) // before anything was announced
	}
	at, err := holdfastgin.Advertise(ctx, ln, holdfastgin.AdvertiseOptions{Env: holdfastgin.DefaultAdvertiseEnv, Via: svc.Addresses()})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: engine, ReadHeaderTimeout: 10 * time.Second}
	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{})
	life.Attach(server)
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			release()
		}
	}()
	life.Ready()
	if _, err := svc.Announce(core.Instance{Endpoints: []string{at.Endpoint}}); err != nil {
		log.Print(err)
	}
	<-ctx.Done()
	if err := life.Stop(context.WithoutCancel(ctx), server); err != nil {
		log.Print(err)
	}
}

// Streams end when the server stops.
func ExampleStream() {
	engine.GET("/ticks", func(c *gin.Context) { // a client of events says so, by Accept: text/event-stream
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-c.Request.Context().Done():
				return // the client has left, or the server stops
			case t := <-tick.C:
				c.SSEvent("tick", t.Unix())
				c.Writer.Flush()
			}
		}
	})
	engine.GET("/poll", holdfastgin.Stream(), poll) // nothing in its requests tells that they wait
}

// Out for maintenance, and back.
func ExampleLifecycle_Drain() {
	ctx := context.Background()
	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{})
	if err := life.Drain(ctx); err != nil {
		log.Print(err) // peers may not know yet
	}
	if err := life.Resume(ctx); err != nil {
		log.Print(err)
	}
}

// The order of middlewares.
func Example_middlewares() {
	engine := gin.New()
	measure, err := holdfastgin.Metrics(reg, holdfastgin.MetricsOptions{Skip: []string{"/metrics", "/livez", "/readyz"}})
	if err != nil {
		log.Fatal(err)
	}
	engine.Use(
		measure,
		gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { holdfastgin.WriteProblem(c, holdfastgin.Problem{}) }),
		holdfastgin.Problems(holdfastgin.ProblemOptions{}),
		holdfastgin.Provenance(svc, holdfastgin.ProvenanceOptions{Headers: true}),
	)
	engine.NoRoute(func(c *gin.Context) { holdfastgin.WriteProblem(c, holdfastgin.Problem{Status: http.StatusNotFound}) })
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{Metrics: reg}); err != nil {
		log.Fatal(err)
	}
}

// Business code notes what it answered with.
func Example_note() {
	_ = func(ctx context.Context, id string) (string, error) {
		profile, err := profiles.Ask(ctx, id) // a *policy.Fallback
		if err != nil {
			return "", err
		}
		provenance.Note(ctx, profile.Level, profile.Age)
		return profile.Value, nil
	}
	_ = func(ctx context.Context) string {
		if p, ok := provenance.From(ctx); ok && !p.Level.AtLeast(core.Memory) {
			return "prices may be out of date"
		}
		return ""
	}
}

// Parts of one route, and what it demands.
func ExampleAdmission_route() {
	of := []holdfastgin.Part{holdfastgin.ValuePart(limits), holdfastgin.EndpointsPart(svc, "inventory")}
	engine.GET("/items", holdfastgin.Provenance(svc, holdfastgin.ProvenanceOptions{Of: of, Headers: true}), func(c *gin.Context) {
		c.JSON(http.StatusOK, limits.Get())
	})
	engine.POST("/pay", holdfastgin.Admission(svc, holdfastgin.AdmissionOptions{RequireLevel: core.Memory, MaxStale: 5 * time.Minute}), pay)
}

// Handlers report errors; Problems answers.
func Example_report() {
	engine.GET("/orders/:id", func(c *gin.Context) {
		order, err := getOrder(c.Request.Context(), c.Param("id"))
		if err != nil {
			_ = c.Error(err) // nothing is written: Problems answers
			return
		}
		c.JSON(http.StatusOK, order)
	})
}

// A writer of the program's own.
func ExampleProblemOptions_complete() {
	opts := holdfastgin.ProblemOptions{
		WriteProblem: func(c *gin.Context, p holdfastgin.Problem) {
			p.Instance = "/requests/" + c.GetHeader("X-Request-Id")
			holdfastgin.WriteProblem(c, p)
		},
		Authorize: func(c *gin.Context) bool { return c.GetHeader("X-Internal") != "" }, // set by a proxy that you trust
	}
	engine.Use(holdfastgin.Problems(opts))
}
