package holdfast_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// sixtyFour is as large as a value may be for Get to cost 1.5 atomic loads.
type sixtyFour struct{ A, B, C, D, E, F, G, H int64 }

func openValue[T any](tb testing.TB, def T) *holdfast.Value[T] {
	tb.Helper()
	b := memory.New(memory.Options{})
	c, err := holdfast.OpenConfig(b.ConfigSource("/c/"), holdfast.ConfigOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
		b.Close()
	})
	v, err := holdfast.Bind(c, "v", def)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestValue_GetDoesNotAllocate(t *testing.T) {
	v := openValue(t, sixtyFour{H: 1})
	var sum int64
	if n := testing.AllocsPerRun(1000, func() { sum += v.Get().H }); n != 0 || sum == 0 {
		t.Errorf("%v allocations per Get, sum %d", n, sum)
	}
}

func BenchmarkValue(b *testing.B) {
	small, large := openValue(b, 7), openValue(b, sixtyFour{H: 1})
	b.Run("floor/int", func(b *testing.B) {
		var p atomic.Pointer[int]
		p.Store(new(int))
		sum := 0
		for b.Loop() {
			sum += *p.Load()
		}
	})
	b.Run("Get/int", func(b *testing.B) {
		sum := 0
		for b.Loop() {
			sum += small.Get()
		}
	})
	b.Run("floor/64B field", func(b *testing.B) {
		var p atomic.Pointer[sixtyFour]
		p.Store(&sixtyFour{H: 1})
		var sum int64
		for b.Loop() {
			now := *p.Load()
			sum += now.H
		}
	})
	b.Run("Get/64B field", func(b *testing.B) {
		var sum int64
		for b.Loop() {
			sum += large.Get().H
		}
	})
	b.Run("floor/64B whole", func(b *testing.B) {
		var p atomic.Pointer[sixtyFour]
		p.Store(new(sixtyFour))
		var now sixtyFour
		for b.Loop() {
			now = *p.Load()
		}
		_ = now
	})
	b.Run("Get/64B whole", func(b *testing.B) {
		var now sixtyFour
		for b.Loop() {
			now = large.Get()
		}
		_ = now
	})
}
