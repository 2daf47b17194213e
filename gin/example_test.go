package holdfastgin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/drivers/memory"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
	"github.com/holdfast-go/holdfast/health"
)

// A whole service: it runs until SIGTERM or SIGINT.
func Example() {
	ctx := context.Background()
	backend := memory.New(memory.Options{}) // in production: etcd.Dial
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name:     "orders",
		Registry: backend.Registry(),
		Config:   backend.ConfigSource("/config/orders/"),
	})
	if err != nil {
		log.Fatal(err)
	}
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := holdfastgin.Run(ctx, svc, engine, ":8080", holdfastgin.RunOptions{}); err != nil {
		log.Fatal(err)
	}
}

// A program with a main of its own uses a Lifecycle.
func ExampleLifecycle() {
	ctx := context.Background()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Cut() // nothing below minds

	quiet := slog.New(slog.DiscardHandler)
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: "orders", Config: backend.ConfigSource("/config/orders/"), Logger: quiet, StartBudget: 50 * time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine := gin.New()
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}

	life := holdfastgin.NewLifecycle(svc, holdfastgin.LifecycleOptions{LameDuck: -1, Logger: quiet})
	life.OnStop("database", time.Second, func(context.Context) error {
		fmt.Println("the database is closed")
		return nil
	})
	server := &http.Server{Handler: engine, ReadHeaderTimeout: 10 * time.Second}
	life.Attach(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	life.Ready()

	fmt.Println("ready:", ask(ctx, "http://"+ln.Addr().String()+"/readyz"))
	_ = life.Drain(ctx)
	fmt.Println("drained:", ask(ctx, "http://"+ln.Addr().String()+"/readyz"))
	fmt.Println("stopped:", life.Stop(ctx, server), <-served)
	// Output:
	// ready: 200 {"status":"UP"}
	// drained: 503 {"status":"DOWN","reasons":["draining"]}
	// the database is closed
	// stopped: <nil> http: Server closed
}

func ask(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

// The program's own checks count beside what the engines know of themselves.
func ExampleMount_checks() {
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	backend := memory.New(memory.Options{})
	defer backend.Close()
	svc, err := holdfast.Start(ctx, holdfast.Options{Name: "orders", Config: backend.ConfigSource("/config/orders/"), Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()

	checks := health.New(health.Options{Logger: quiet})
	defer func() { _ = checks.Close(ctx) }()
	db := func(context.Context) error { return errors.New("10.0.0.7: connection refused") } // (*sql.DB).PingContext
	redis := func(context.Context) error { return nil }
	if err := errors.Join(
		checks.Register(health.Ping("db", db), health.CheckOptions{}),
		checks.Register(health.PingCache("redis", redis), health.CheckOptions{Optional: true}),
	); err != nil {
		fmt.Println(err)
		return
	}
	engine := gin.New()
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{Checks: checks}); err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/livez", "/readyz"} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		fmt.Println(path, w.Code, w.Body)
	}
	// Output:
	// /livez 200 {"status":"UP"}
	// /readyz 503 {"status":"DOWN","reasons":["db is DOWN: error"]}
}

// A demand on one part, where MountOptions would make it on all.
func ExampleEndpointsCheck() {
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	backend := memory.New(memory.Options{})
	defer backend.Close()
	svc, err := holdfast.Start(ctx, holdfast.Options{Name: "orders", Registry: backend.Registry(), Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()

	checks := health.New(health.Options{Logger: quiet})
	defer func() { _ = checks.Close(ctx) }()
	if err := checks.Register(holdfastgin.EndpointsCheck(svc, "inventory", holdfastgin.Require{Up: 1}), health.CheckOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	report := checks.Group(ctx, health.Ready)
	fmt.Println(report.Status, report.Checks[0].Err)
	// Output: DOWN unavailable: 0 instances are up, fewer than 1
}
