package holdfast

import "math/bits"

// weyl spreads a counter over 64 bits so that any run of turns is as even as a
// sequence can be: multiples of the golden ratio (Weyl), whose gaps have at most
// three lengths (Steinhaus).
func weyl(turn uint32) uint64 {
	const golden = 0x9E3779B97F4A7C15
	return uint64(turn) * golden
}

// wheel gives each of a group a sector as wide as its weight. Where its circumference
// is hit says who it is; a guide makes that take no time that grows with the group.
// The zero wheel is even.
type wheel struct {
	sectors []sector
	guide   []uint32 // for each part of the circumference, the first sector in it
	shift   uint8    // the part of a position
}

// sector holds all that a pick needs, so that it meets as few cache lines as can be.
type sector struct {
	member *member
	upto   uint64 // where it ends
}

func newWheel(members crew, columns []column) wheel {
	same := true
	for _, c := range columns {
		same = same && c.weight == columns[0].weight
	}
	if same {
		return wheel{}
	}
	w := wheel{sectors: make([]sector, len(columns))}
	sum := uint64(0)
	for i, c := range columns {
		sum += uint64(c.weight)
		w.sectors[i] = sector{members.members[i], sum}
	}
	// Parts so small that there are at least as many as sectors.
	for parts := sum - 1; parts >= 2*uint64(len(columns)); parts >>= 1 {
		w.shift++
	}
	w.guide = make([]uint32, (sum-1)>>w.shift+1)
	at := uint32(0)
	for part := range w.guide {
		for w.sectors[at].upto <= uint64(part)<<w.shift {
			at++
		}
		w.guide[part] = at
	}
	return w
}

// spin returns whose sector is at u parts of 2^64 of the circumference.
func (w *wheel) spin(u uint64) *member {
	at, _ := bits.Mul64(u, w.sectors[len(w.sectors)-1].upto)
	i := w.guide[at>>w.shift]
	for w.sectors[i].upto <= at {
		i++
	}
	return w.sectors[i].member
}
