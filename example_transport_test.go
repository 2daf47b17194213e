package holdfast_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// A request for a service by its name goes to one of its instances, and to another one
// if that does not answer.
func ExampleTransport() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	instance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "items of "+r.Host)
	}))
	defer instance.Close()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.PutRaw("inventory", "dead", []byte(`{"id":"dead","service":"inventory","endpoints":["http://127.0.0.1:1"]}`))
	backend.PutRaw("inventory", "alive", []byte(`{"id":"alive","service":"inventory","endpoints":["`+instance.URL+`"]}`))

	svc, err := holdfast.Start(ctx, holdfast.Options{Name: "orders", Registry: backend.Registry(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = svc.Close(ctx) }()
	if err := svc.Endpoints("inventory").WaitLevel(ctx, core.Live); err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: holdfast.Transport(svc, nil), Timeout: 5 * time.Second}
	for range 3 {
		resp, err := client.Get("http://inventory/items") //nolint:noctx // as an application may
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(string(text))
	}
	client.CloseIdleConnections()
	// Output:
	// items of inventory
	// items of inventory
	// items of inventory
}

// A twentieth of the requests goes to the new version, the rest to whoever is least
// loaded.
func ExampleEndpoints_Picker() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.PutRaw("inventory", "old", []byte(`{"id":"old","service":"inventory","version":"1","endpoints":["http://10.0.0.7:8080"]}`))
	backend.PutRaw("inventory", "new", []byte(`{"id":"new","service":"inventory","version":"2","endpoints":["http://10.0.0.8:8080"]}`))
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
	canary, err := inventory.Picker(holdfast.PickerOptions{
		Strategy: holdfast.LeastLoaded,
		Shares:   []holdfast.Share{{Subset: holdfast.Subset{Version: "2"}, Percent: 5}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := make(map[string]int)
	for range 1000 {
		picked, err := canary.Pick(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		counts[picked.Instance().Version]++
		picked.Done(nil)
	}
	fmt.Println(counts["2"] > 40 && counts["2"] < 60)
	// Output: true
}
