package holdfast

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// crowd returns a handle that knows n instances and has no engine.
func crowd(n int, status core.Status) *Endpoints {
	r := roster{level: core.Live, since: time.Now(), asOf: time.Now()}
	edits := make([]edit, n)
	for i := range edits {
		in := withStatus(peer(fmt.Sprintf("p%05d", i)), status)
		edits[i] = edit{id: in.ID, instance: &in}
	}
	r.apply(edits)
	return newEndpoints("inventory", "crowd", &r)
}

func TestPick_TakesEachInTurn(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 1000} {
		e := crowd(n, core.StatusUp)
		var order []string
		for i := range 3 * n {
			p, err := e.Pick(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, p.Instance().ID)
			p.Done(nil)
			if i >= n && order[i] != order[i-n] {
				t.Fatalf("of %d instances, pick %d is %s, and %d picks before it was %s", n, i, order[i], n, order[i-n])
			}
		}
		seen := make(map[string]bool)
		for _, id := range order[:n] {
			seen[id] = true
		}
		if len(seen) != n {
			t.Errorf("%d picks took %d of %d instances", n, len(seen), n)
		}
	}
}

func TestPick_IsFairAcrossGoroutines(t *testing.T) {
	const goroutines, picks, n = 64, 1000, 10
	e := crowd(n, core.StatusUp)
	counts := make(map[*core.Instance]*atomic.Int64)
	for _, in := range e.Instances() {
		counts[in] = new(atomic.Int64)
	}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range picks {
				p, err := e.Pick(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				counts[p.Instance()].Add(1)
			}
		})
	}
	wg.Wait()
	least, most := int64(goroutines*picks), int64(0)
	for _, c := range counts {
		least, most = min(least, c.Load()), max(most, c.Load())
	}
	if most-least > rotationStripes {
		t.Errorf("most picked %d, least %d: more than %d apart", most, least, rotationStripes)
	}
}

func TestPick_TakesOnlyWhoIsUp(t *testing.T) {
	r := roster{level: core.Live, since: time.Now()}
	a, b, c := peer("a"), withStatus(peer("b"), core.StatusDraining), withStatus(peer("c"), core.StatusDown)
	r.apply([]edit{{id: "a", instance: &a}, {id: "b", instance: &b}, {id: "c", instance: &c}})
	e := newEndpoints("inventory", "", &r)
	for range 10 {
		if p, err := e.Pick(t.Context()); err != nil || p.Instance() != &a {
			t.Fatalf("Pick: %v, %v, want a, the one that is up", p.Instance(), err)
		}
	}
}

func TestPick_ErrorNamesServiceLevelAndAge(t *testing.T) {
	for name, c := range map[string]struct {
		r    roster
		says string
	}{
		"nobody":    {roster{level: core.Live, asOf: time.Now()}, `endpoints "inventory": not found: no instance is registered (level live, 0s old)`},
		"unknown":   {roster{level: core.Empty, since: time.Now().Add(time.Hour)}, `endpoints "inventory": not found: nothing is known of its instances yet (level empty for 0s)`},
		"all drain": {roster{level: core.Memory, asOf: time.Now().Add(time.Hour), whole: crew{members: []*member{{}, {}, {}}}}, `endpoints "inventory": not found: none of 3 instances is up (level memory, 0s old)`},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.r.asOf.IsZero() {
				c.r.asOf = c.r.asOf.Add(time.Minute) // read at once, the age must not depend on how fast
			}
			_, err := newEndpoints("inventory", "", &c.r).Pick(t.Context())
			if !errors.Is(err, ErrNoInstance) || !errors.Is(err, core.ErrNotFound) || err.Error() != c.says {
				t.Errorf("Pick: %v\nwant: %s", err, c.says)
			}
		})
	}
}

func TestPicked_ZeroHasNoInstance(t *testing.T) {
	var p Picked
	p.Done(errAway)
	if p.Instance() != nil {
		t.Error("the zero Picked has an instance")
	}
}

func TestReads_AllocateNothing(t *testing.T) {
	ctx := t.Context()
	for _, n := range []int{10, 10_000} {
		e := crowd(n, core.StatusUp)
		if got := testing.AllocsPerRun(1000, func() {
			p, _ := e.Pick(ctx)
			p.Done(nil)
		}); got != 0 {
			t.Errorf("a pick of %d instances makes %v allocations", n, got)
		}
		if got := testing.AllocsPerRun(1000, func() { _ = e.Instances() }); got != 0 {
			t.Errorf("Instances makes %v allocations", got)
		}
	}
	down := crowd(10, core.StatusDown)
	if got := testing.AllocsPerRun(1000, func() {
		if _, err := down.Pick(ctx); err == nil {
			t.Error("picked an instance that is down")
		}
	}); got != 0 {
		t.Errorf("a pick that fails makes %v allocations", got)
	}
}

// BenchmarkAtomicLoad is the floor of a read.
func BenchmarkAtomicLoad(b *testing.B) {
	e := crowd(10, core.StatusUp)
	b.ReportAllocs()
	for b.Loop() {
		_ = e.roster.Load()
	}
}

// BenchmarkAtomicAdd is the floor of what counts turns.
func BenchmarkAtomicAdd(b *testing.B) {
	var n atomic.Uint32
	b.ReportAllocs()
	for b.Loop() {
		n.Add(1)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		e := crowd(n, core.StatusUp)
		ctx := b.Context()
		b.Run(fmt.Sprintf("alone/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, _ := e.Pick(ctx)
				p.Done(nil)
			}
		})
		b.Run(fmt.Sprintf("contending/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p, _ := e.Pick(ctx)
					p.Done(nil)
				}
			})
		})
	}
}
