package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast/health"
	"github.com/holdfast-go/holdfast/system"
)

// A sampler is a health check, which degrades and is never DOWN.
func Example() {
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	sampler, err := system.New(system.Options{
		Disks:      []string{"."},
		Thresholds: system.Thresholds{CPU: 0.8, Disk: 0.9}, // the defaults
		Logger:     quiet,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sampler.Start()
	defer func() { _ = sampler.Close(ctx) }()

	checks := health.New(health.Options{Logger: quiet})
	defer func() { _ = checks.Close(ctx) }()
	if err := checks.Register(sampler, health.CheckOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	report := checks.Group(ctx, health.Ready)
	fmt.Println(report.Checks[0].Name, report.Status)
	// Output: system UP
}

// The newest sample is one atomic load away. What is not known is not there, and
// Missing says why.
func ExampleSampler_Sample() {
	sampler, err := system.New(system.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	last, ok := sampler.Sample()
	fmt.Println(ok, last.Host.CPU == nil) // it was not started
	// Output: false true
}

// Each sample is sent to a collector, as long as there is one; nothing is queued.
func ExamplePushOptions() {
	got := make(chan map[string]any, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var sample map[string]any
		if err := json.NewDecoder(req.Body).Decode(&sample); err == nil {
			select {
			case got <- sample:
			default:
			}
		}
	}))
	defer collector.Close()

	sampler, err := system.New(system.Options{
		Push:   system.PushOptions{URL: collector.URL + "/samples", Labels: map[string]string{"service": "orders"}},
		Root:   ".", // any folder: what it lacks is missing from the sample
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sampler.Start()
	defer func() { _ = sampler.Close(context.Background()) }()
	select {
	case sample := <-got:
		fmt.Println(sample["version"], sample["labels"])
	case <-time.After(30 * time.Second):
		fmt.Println("nothing came")
	}
	// Output: 1 map[service:orders]
}
