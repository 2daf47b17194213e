package holdfast

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func instancesOf(c crew) (all []*core.Instance) {
	for _, m := range c.members {
		all = append(all, m.in)
	}
	return all
}

func TestRoster_ApplyEqualsAMap(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var r roster
		model := make(map[string]*core.Instance)
		for range 100 {
			before := slices.Clone(r.instances())
			old := r
			var edits []edit
			for _, n := range rng.Perm(20)[:rng.IntN(6)] {
				id := fmt.Sprint("p", n)
				if rng.IntN(3) == 0 {
					edits = append(edits, edit{id: id})
					delete(model, id)
					continue
				}
				in := withStatus(peer(id), core.Status(rng.IntN(3)/2))
				edits = append(edits, edit{id: id, instance: &in})
				model[id] = &in
			}
			r.apply(edits)

			var all, up []*core.Instance
			for _, id := range slices.Sorted(maps.Keys(model)) {
				all = append(all, model[id])
				if isUp(model[id]) {
					up = append(up, model[id])
				}
			}
			if !slices.Equal(r.instances(), all) || !slices.Equal(instancesOf(r.up), up) || !slices.Equal(instancesOf(r.whole), all) {
				t.Fatalf("seed %d: all %q up %q, want %q and %q", seed, ids(r.instances()), ids(instancesOf(r.up)), ids(all), ids(up))
			}
			if !slices.Equal(old.instances(), before) {
				t.Fatalf("seed %d: an edit modified the roster that it was made from", seed)
			}
		}
	}
}

func TestRoster_TurnIsTheRemainder(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10, 64, 1000, 9999} {
		c := crew{members: make([]*member, n)}
		c.spread()
		for range 2000 {
			turn := rand.Uint32()
			if got, want := int(c.turn(turn)), int(turn)%n; got != want {
				t.Fatalf("turn %d of %d is %d, want %d", turn, n, got, want)
			}
		}
		for _, turn := range []uint32{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
			if got, want := int(c.turn(turn)), int(turn)%n; got != want {
				t.Fatalf("turn %d of %d is %d, want %d", turn, n, got, want)
			}
		}
	}
}
