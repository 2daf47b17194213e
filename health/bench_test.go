package health

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// BenchmarkSet_Group asks for a group of checks whose outcomes still serve.
func BenchmarkSet_Group(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := New(Options{Logger: slog.New(slog.DiscardHandler)})
			for i := range n {
				if err := s.Register(newPart(fmt.Sprint(i)), CheckOptions{CacheFor: time.Hour}); err != nil {
					b.Fatal(err)
				}
			}
			s.All(b.Context())
			b.ReportAllocs()
			for b.Loop() {
				if s.Group(b.Context(), Ready).Status != Up {
					b.Fatal("not up")
				}
			}
		})
	}
}

func TestSet_AllocatesOnceForACachedReport(t *testing.T) {
	s := newSet(t)
	for i := range 10 {
		register(t, s, newPart(fmt.Sprint(i)), CheckOptions{CacheFor: time.Hour})
	}
	s.All(t.Context())
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { s.Group(ctx, Ready) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
