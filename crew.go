package holdfast

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// member is an instance as Pick hands it out. It never changes; an instance that
// changes becomes another member with the same vitals.
type member struct {
	in   *core.Instance
	seen *vitals
	from *Endpoints
}

// crew is a set of instances by ID. Its slice never changes once it is published.
type crew struct {
	members []*member
	magic   uint64 // 2^64/len(members), rounded up
}

func (c *crew) len() int { return len(c.members) }

// spread prepares turn.
func (c *crew) spread() {
	c.magic = 0
	if n := uint64(len(c.members)); n > 0 {
		c.magic = ^uint64(0)/n + 1
	}
}

// turn returns the index turn modulo len, which must not be 0. Two multiplications
// replace the division (Lemire, Kaser, Kurz: "Faster remainder by direct
// computation"); they are exact for 32 bits. For a single instance magic overflows
// to 0, which is right too.
func (c *crew) turn(turn uint32) uint64 {
	i, _ := bits.Mul64(c.magic*uint64(turn), uint64(len(c.members)))
	return i
}

// same reports whether both are the very same slice.
func (c *crew) same(o *crew) bool {
	return len(c.members) == len(o.members) && (len(c.members) == 0 || &c.members[0] == &o.members[0])
}

// search finds the index of an ID, or where it would be.
func (c *crew) search(id string) (int, bool) {
	return slices.BinarySearchFunc(c.members, id, func(m *member, id string) int { return strings.Compare(m.in.ID, id) })
}

// find returns the member with an ID, nil if there is none.
func (c *crew) find(id string) *member {
	if i, ok := c.search(id); ok {
		return c.members[i]
	}
	return nil
}

// only returns those that fit, in the same order.
func (c *crew) only(fits func(*member) bool) crew {
	var out crew
	for _, m := range c.members {
		if fits(m) {
			out.members = append(out.members, m)
		}
	}
	return out
}

// edited returns a copy with the edits, keeping of the members in them those that
// fit. It copies the runs between edits as a whole: among ten thousand instances one
// edit costs a search and a memmove.
func (c *crew) edited(edits []edit, fits func(*core.Instance) bool) crew {
	rest := *c
	out := make([]*member, 0, c.len()+added(edits))
	for _, e := range edits {
		i, found := rest.search(e.id)
		out = append(out, rest.members[:i]...)
		if found {
			i++
		}
		rest.members = rest.members[i:]
		if e.member != nil && fits(e.instance) {
			out = append(out, e.member)
		}
	}
	return crew{members: slices.Clip(append(out, rest.members...))}
}

// added is how many instances the edits add at most.
func added(edits []edit) (n int) {
	for _, e := range edits {
		if e.instance != nil {
			n++
		}
	}
	return n
}
