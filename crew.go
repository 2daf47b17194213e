package holdfast

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// crew is a set of instances by ID, and what this process has seen of each. The
// slices never change once they are published.
type crew struct {
	in    []*core.Instance
	seen  []*vitals
	magic uint64 // 2^64/len(in), rounded up
}

func (c *crew) len() int { return len(c.in) }

// spread prepares turn.
func (c *crew) spread() {
	c.magic = 0
	if n := uint64(len(c.in)); n > 0 {
		c.magic = ^uint64(0)/n + 1
	}
}

// turn returns the index turn modulo len, which must not be 0. Two multiplications
// replace the division (Lemire, Kaser, Kurz: "Faster remainder by direct
// computation"); they are exact for 32 bits. For a single instance magic overflows
// to 0, which is right too.
func (c *crew) turn(turn uint32) uint64 {
	i, _ := bits.Mul64(c.magic*uint64(turn), uint64(len(c.in)))
	return i
}

// same reports whether both are the very same slices.
func (c *crew) same(o *crew) bool {
	return len(c.in) == len(o.in) && (len(c.in) == 0 || &c.in[0] == &o.in[0])
}

// search finds the index of an ID, or where it would be.
func (c *crew) search(id string) (int, bool) {
	return slices.BinarySearchFunc(c.in, id, func(in *core.Instance, id string) int { return strings.Compare(in.ID, id) })
}

// only returns those that fit, in the same order.
func (c *crew) only(fits func(i int) bool) crew {
	var out crew
	for i, in := range c.in {
		if fits(i) {
			out.in, out.seen = append(out.in, in), append(out.seen, c.seen[i])
		}
	}
	return out
}

// edited returns a copy with the edits, keeping of the instances in them those that
// fit. It copies the runs between edits as a whole: among ten thousand instances one
// edit costs a search and two memmoves.
func (c *crew) edited(edits []edit, fits func(*core.Instance) bool) crew {
	added := 0
	for _, e := range edits {
		if e.instance != nil {
			added++
		}
	}
	rest := *c
	out := crew{in: make([]*core.Instance, 0, len(c.in)+added), seen: make([]*vitals, 0, len(c.in)+added)}
	for _, e := range edits {
		i, found := rest.search(e.id)
		out.in, out.seen = append(out.in, rest.in[:i]...), append(out.seen, rest.seen[:i]...)
		if found {
			i++
		}
		rest.in, rest.seen = rest.in[i:], rest.seen[i:]
		if e.instance != nil && fits(e.instance) {
			out.in, out.seen = append(out.in, e.instance), append(out.seen, e.seen)
		}
	}
	out.in, out.seen = slices.Clip(append(out.in, rest.in...)), slices.Clip(append(out.seen, rest.seen...))
	return out
}
