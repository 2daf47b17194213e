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

// An instance is announced whatever the backend does, and leaves with Close.
func ExampleAnnounce() {
	backend := memory.New(memory.Options{})
	defer backend.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	backend.Cut() // it is away when the service starts
	ann, err := holdfast.Announce(backend.Registry(), core.Instance{
		Service:   "orders",
		Endpoints: []string{"http://10.0.0.7:8080"},
	}, holdfast.AnnounceOptions{Logger: slog.New(slog.DiscardHandler)})
	fmt.Println(ann.Status().Instance.ID, ann.Status().State, err)

	backend.Heal()
	fmt.Println(ann.WaitState(ctx, holdfast.StateRegistered), ann.Status().State)

	err = ann.Update(ctx, func(in *core.Instance) { in.Status = core.StatusDraining })
	fmt.Println(ann.Status().Instance.Status, err)

	fmt.Println(ann.Close(ctx), ann.Status().State)
	// Output:
	// 10.0.0.7:8080 pending <nil>
	// <nil> registered
	// draining <nil>
	// <nil> closed
}
