package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// A test takes the backend away and gives it back; the service under test holds
// the clients that the Backend made.
func ExampleBackend_Cut() {
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Put("/config/orders/limits", []byte("100"))
	source := backend.ConfigSource("/config/orders/")

	load := func() {
		snap, err := source.Load(context.Background())
		fmt.Printf("%q unavailable: %v\n", snap.Items["limits"], errors.Is(err, core.ErrUnavailable))
	}
	load()
	backend.Cut()
	backend.Put("/config/orders/limits", []byte("200"))
	load()
	backend.Heal()
	load()
	// Output:
	// "100" unavailable: false
	// "" unavailable: true
	// "200" unavailable: false
}

func ExampleBackend_ConfigSource() {
	backend := memory.New(memory.Options{})
	defer backend.Close()
	source := backend.ConfigSource("/config/orders/")
	snap, err := source.Load(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	backend.Txn(map[string][]byte{"/config/orders/a": []byte("1"), "/config/orders/b": []byte("2")})
	for u, err := range source.Watch(context.Background(), snap.Revision) {
		fmt.Printf("%s %v\n", u.Put, err)
		break
	}
	// Output: map[a:1 b:2] <nil>
}

func ExampleBackend_Registry() {
	backend := memory.New(memory.Options{})
	defer backend.Close()
	registry := backend.Registry()
	err := registry.Register(context.Background(), core.Registration{
		Instance: core.Instance{ID: "orders-1", Service: "orders", Endpoints: []string{"http://192.0.2.1:8080"}},
		Owner:    "2026-11-05T12:00:00Z-4f1c",
		TTL:      15 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
	}
	snap, err := registry.Discover(context.Background(), "orders")
	fmt.Println(snap.Items["orders-1"].Endpoints, err)
	// Output: [http://192.0.2.1:8080] <nil>
}
