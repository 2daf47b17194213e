package holdfast_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-go/holdfast"
	cache "github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// An image is shipped with a last good state, for the day on which the first start
// of a service meets a backend that is away.
func ExampleSeedConfig() {
	ctx := context.Background()
	store := cache.New() // file.New(dir, file.Options{}) where it is to last
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Cut()
	source := backend.ConfigSource("/config/orders/")

	if _, err := holdfast.SeedConfig(ctx, store, holdfast.ConfigSeed{
		Origin: source.Origin(),
		Keys:   map[string][]byte{"limits/max_items": []byte("42")},
	}); err != nil {
		fmt.Println(err)
		return
	}

	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: "orders", Config: source, Cache: store, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()
	limits, err := holdfast.Bind(svc.Config(), "limits", struct{ MaxItems int }{MaxItems: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(limits.Get().MaxItems, limits.Status().Level)
	// Output: 42 cached
}
