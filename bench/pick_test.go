package bench

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// endpoints returns a handle that knows n instances, with weights of 1 to 7.
func endpoints(b testing.TB, n int) *holdfast.Endpoints {
	b.Helper()
	backend := memory.New(memory.Options{})
	b.Cleanup(backend.Close)
	registry := backend.Registry()
	for i := range n {
		in := core.Instance{ID: address(i), Service: "inventory", Endpoints: []string{"http://" + address(i)}, Weight: 1 + i%7}
		if err := registry.Register(b.Context(), core.Registration{Instance: in, Owner: "bench", TTL: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
	d, err := holdfast.OpenDiscovery(registry, holdfast.DiscoveryOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close(context.Background()) })
	e := d.Endpoints("inventory")
	if err := e.WaitLevel(b.Context(), core.Live); err != nil {
		b.Fatal(err)
	}
	if got := len(e.Instances()); got != n {
		b.Fatalf("%d instances are known; want %d", got, n)
	}
	return e
}

// way is one way to choose an instance for a request, and to tell that it is done.
type way struct {
	name string
	pick func() error
}

// ways returns all of them, over the same n instances.
func ways(b testing.TB, n int) []way {
	b.Helper()
	e := endpoints(b, n)
	picker := func(s holdfast.Strategy) *holdfast.Picker {
		p, err := e.Picker(holdfast.PickerOptions{Strategy: s})
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	ctx := b.Context()
	done := func(p holdfast.Picked, err error) error {
		if err == nil {
			p.Done(nil)
		}
		return err
	}
	weighted, least, byKey := picker(holdfast.WeightedRoundRobin), picker(holdfast.LeastLoaded), picker(holdfast.ByKey)
	grpc := roundRobinOfGRPC(b, n)
	var counter atomic.Uint32
	var list atomic.Pointer[[]*core.Instance]
	all := e.Instances()
	list.Store(&all)
	return []way{
		{"plain counter", func() error {
			all := *list.Load()
			if all[int(counter.Add(1))%len(all)] == nil {
				return holdfast.ErrNoInstance
			}
			return nil
		}},
		{"grpc round_robin", func() error {
			r, err := grpc.Pick(balancer.PickInfo{Ctx: ctx})
			if err == nil && r.Done != nil {
				r.Done(balancer.DoneInfo{})
			}
			return err
		}},
		{"round robin", func() error { return done(e.Pick(ctx)) }},
		{"weighted", func() error { return done(weighted.Pick(ctx)) }},
		{"least loaded", func() error { return done(least.Pick(ctx)) }},
		{"by key", func() error { return done(byKey.PickKey("customer-12345678")) }},
	}
}

// What is compared must work.
func TestWays_Pick(t *testing.T) {
	for _, way := range ways(t, 10) {
		for range 100 {
			if err := way.pick(); err != nil {
				t.Errorf("%s: %v", way.name, err)
			}
		}
	}
}

// BenchmarkPick is one request of each way, alone and with all processors contending.
// The time of the latter is that of the clock: the cost per pick is as many times that
// as there are processors.
func BenchmarkPick(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		for _, way := range ways(b, n) {
			b.Run(fmt.Sprintf("%s/%d/alone", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = way.pick()
				}
			})
			b.Run(fmt.Sprintf("%s/%d/contending", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						_ = way.pick()
					}
				})
			})
		}
	}
}
