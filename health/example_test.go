package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast/health"
)

// A database that no request can do without, and a cache that has a fallback.
func Example() {
	ctx := context.Background()
	checks := health.New(health.Options{Logger: slog.New(slog.DiscardHandler)})
	defer func() { _ = checks.Close(ctx) }()

	db := func(context.Context) error { return nil } // (*sql.DB).PingContext
	redis := func(context.Context) error { return errors.New("connection refused") }
	if err := errors.Join(
		checks.Register(health.Ping("db", db), health.CheckOptions{}),
		checks.Register(health.PingCache("redis", redis), health.CheckOptions{Optional: true}),
		checks.Register(health.Disk("disk", ".", health.DiskOptions{Degraded: 1}), health.CheckOptions{Every: time.Minute, Groups: []string{"deep"}}),
	); err != nil {
		fmt.Println(err)
		return
	}
	report := checks.Group(ctx, health.Ready)
	fmt.Println(report.Status, report.Degraded)
	for _, c := range report.Checks {
		fmt.Println(c.Name, c.Status, c.Reasons)
	}
	// Output:
	// UP true
	// db UP []
	// redis DOWN [error]
}

// A check that hangs costs one goroutine and its limit, once.
func ExampleSet_Group() {
	ctx := context.Background()
	checks := health.New(health.Options{Logger: slog.New(slog.DiscardHandler)})
	hang := make(chan struct{})
	err := checks.Register(health.Func("stuck", func(context.Context) error {
		<-hang // whatever its ctx says
		return nil
	}), health.CheckOptions{Timeout: 10 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	report := checks.Group(ctx, health.Ready)
	fmt.Println(report.Status, report.Checks[0].Reasons, report.Checks[0].Err)
	close(hang)
	fmt.Println(checks.Close(ctx))
	// Output:
	// DOWN [timeout] timeout: no answer within 10ms
	// <nil>
}

// Whoever wants to know is told of changes.
func ExampleSet_OnChange() {
	ctx := context.Background()
	checks := health.New(health.Options{Logger: slog.New(slog.DiscardHandler)})
	defer func() { _ = checks.Close(ctx) }()
	told := make(chan string)
	stop := checks.OnChange(func(c health.Change) { told <- fmt.Sprintf("%s: %v -> %v", c.Name(), c.From.Status, c.To.Status) })
	defer stop()
	if err := checks.Register(health.Func("queue", func(context.Context) error { return nil }), health.CheckOptions{Every: time.Minute}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-told)
	// Output: queue: UNKNOWN -> UP
}
