package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// engine returns the sink of a service with n instances, live and with a cache.
func engine(tb testing.TB, n int) (*membership, []core.Instance) {
	tb.Helper()
	j := newJournal(slog.New(slog.DiscardHandler))
	k := newKeeper(&noted{}, j)
	all := make([]core.Instance, n)
	for i := range all {
		all[i] = peer(fmt.Sprintf("p%05d", i))
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	e := newEndpoints("inventory", "", &roster{level: core.Empty})
	m := &membership{
		endpoints: e,
		hold:      &e.hold,
		opts:      DiscoveryOptions{}.withDefaults(),
		compare:   func(core.Revision, core.Revision) (int, bool) { return 0, false },
		jrnl:      j,
		cache:     instanceCache{keeper: k, bucket: "holdfast/bench"},
		spawn:     wg.Go,
		ctx:       ctx,
		poke:      make(chan struct{}, 1),
	}
	m.now.level = core.Empty
	tb.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := k.close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	m.listed(core.Snapshot[core.Instance]{Items: byID(all...), Revision: "1"}, false)
	return m, all
}

// BenchmarkOneChange is one changed instance among many, from the step of a watch
// to the published roster and the record for the cache.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, all := engine(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				in := all[i%n]
				in.Weight = i + 2
				m.updated(core.Update[core.Instance]{Put: map[string]core.Instance{in.ID: in}, Revision: "2"})
				i++
			}
		})
	}
}

// BenchmarkHeartbeat is what an idle watch costs the engine.
func BenchmarkHeartbeat(b *testing.B) {
	m, _ := engine(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		m.updated(core.Update[core.Instance]{Revision: "2"})
	}
}

// BenchmarkFullList is a list of ten thousand instances that changes nothing.
func BenchmarkFullList(b *testing.B) {
	m, all := engine(b, 10_000)
	items := byID(all...)
	b.ReportAllocs()
	for b.Loop() {
		m.listed(core.Snapshot[core.Instance]{Items: items, Revision: "2"}, true)
	}
}

// BenchmarkReturn is one of ten thousand held instances that comes back, as each
// does in a step of its own after its registry was wiped.
func BenchmarkReturn(b *testing.B) {
	m, all := engine(b, 10_000)
	m.listed(core.Snapshot[core.Instance]{Revision: "2"}, true)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i == len(all) {
			i = 0
			m.listed(core.Snapshot[core.Instance]{Revision: "2"}, true)
		}
		m.updated(core.Update[core.Instance]{Put: map[string]core.Instance{all[i].ID: all[i]}, Revision: "3"})
	}
}

func TestOneChange_AllocatesTheSameAmongTenThousand(t *testing.T) {
	m, all := engine(t, 10_000)
	i := 0
	if got := testing.AllocsPerRun(100, func() {
		in := all[i]
		in.Weight = i + 2
		m.updated(core.Update[core.Instance]{Put: map[string]core.Instance{in.ID: in}, Revision: "2"})
		i++
	}); got > 26 {
		t.Errorf("one change makes %v allocations, want 26 at most (15 and what the race detector adds), whatever the number of instances", got)
	}
}
