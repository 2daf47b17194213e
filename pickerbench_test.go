package holdfast

import (
	"fmt"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

var strategies = map[string]Strategy{"round robin": RoundRobin, "weighted": WeightedRoundRobin, "least loaded": LeastLoaded, "by key": ByKey}

// uneven is crowd with weights of 1 to 7.
func uneven(n int) *Endpoints {
	e := crowd(n, core.StatusUp)
	for i, in := range e.Instances() {
		in.Weight = 1 + i%7
	}
	return e
}

// BenchmarkPicker is one request of each strategy: Pick and Done.
func BenchmarkPicker(b *testing.B) {
	for _, name := range []string{"round robin", "weighted", "least loaded", "by key"} {
		for _, n := range []int{10, 1000, 10_000} {
			p, err := uneven(n).Picker(PickerOptions{Strategy: strategies[name]})
			if err != nil {
				b.Fatal(err)
			}
			one := func(ctx int) Picked {
				if p.opts.Strategy == ByKey {
					got, _ := p.PickKey("customer-12345678")
					return got
				}
				got, _ := p.Pick(nil) //nolint:staticcheck // nothing reads it
				return got
			}
			b.Run(fmt.Sprintf("%s/alone/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					one(0).Done(nil)
				}
			})
			b.Run(fmt.Sprintf("%s/contending/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one(0).Done(nil)
					}
				})
			})
		}
	}
}

// BenchmarkClock is the floor of what measures a request twice.
func BenchmarkClock(b *testing.B) {
	e := crowd(1, core.StatusUp)
	for b.Loop() {
		_ = e.clock()
	}
}

// BenchmarkPickerOneChange is one changed instance among many, from the step of the
// watch to the first pick after it.
func BenchmarkPickerOneChange(b *testing.B) {
	for _, name := range []string{"round robin", "weighted", "least loaded", "by key"} {
		b.Run(name, func(b *testing.B) {
			m, all := engine(b, 10_000)
			p, err := m.endpoints.Picker(PickerOptions{Strategy: strategies[name]})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				in := all[i%len(all)]
				in.Weight = i + 2
				m.updated(core.Update[core.Instance]{Put: map[string]core.Instance{in.ID: in}, Revision: "2"})
				got, _ := p.PickKey("a")
				got.Done(nil)
				i++
			}
		})
	}
}
