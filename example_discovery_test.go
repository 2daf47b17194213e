package holdfast_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// A consumer goes on with the instances that it knows while the registry is away,
// and can tell how old they are.
func ExampleOpenDiscovery() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.PutRaw("inventory", "inventory-1", []byte(`{"id":"inventory-1","service":"inventory","endpoints":["http://10.0.0.7:8080"]}`))

	d, err := holdfast.OpenDiscovery(backend.Registry(), holdfast.DiscoveryOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = d.Close(ctx) }()

	inventory := d.Endpoints("inventory")
	if err := inventory.WaitLevel(ctx, core.Live); err != nil {
		fmt.Println(err)
		return
	}
	backend.Cut()

	picked, err := inventory.Pick(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	url, _ := picked.Instance().Endpoint("http")
	fmt.Println("GET", url+"/items")
	picked.Done(nil)
	// Output: GET http://10.0.0.7:8080/items
}

// Changes feeds whatever needs the whole set, such as a resolver of a client
// library.
func ExampleEndpoints_Changes() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	backend := memory.New(memory.Options{})
	defer backend.Close()

	d, err := holdfast.OpenDiscovery(backend.Registry(), holdfast.DiscoveryOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = d.Close(ctx) }()

	inventory := d.Endpoints("inventory")
	if err := inventory.WaitLevel(ctx, core.Live); err != nil {
		fmt.Println(err)
		return
	}
	for instances := range inventory.Changes(ctx) {
		fmt.Println(len(instances), "known")
		if len(instances) > 0 {
			break
		}
		backend.PutRaw("inventory", "inventory-1", []byte(`{"id":"inventory-1","service":"inventory"}`))
	}
	// Output:
	// 0 known
	// 1 known
}
