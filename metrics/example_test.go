package metrics_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/metrics"
)

// A program without Gin shows its service in its own registry.
func ExampleNew() {
	ctx := context.Background()
	backend := memory.New(memory.Options{}) // in production: etcd.Dial
	defer backend.Close()
	backend.Put("/config/orders/limits/max_items", []byte("7"))
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: "orders", Version: "1.4.2", Config: backend.ConfigSource("/config/orders/"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()
	if err := svc.WaitLevel(ctx, core.Live); err != nil {
		fmt.Println(err)
		return
	}

	reg := prometheus.NewRegistry()
	collector, err := metrics.New(svc, metrics.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reg.MustRegister(collector)

	families, err := reg.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "holdfast_config_keys") || strings.HasSuffix(name, "_level") {
			fmt.Println(name, f.Metric[0].GetGauge().GetValue())
		}
	}
	// Output:
	// holdfast_config_keys 1
	// holdfast_config_keys_held 0
	// holdfast_config_keys_unreadable 0
	// holdfast_config_level 1
	// holdfast_level 1
}
