package holdfast

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// probesOfKey is how many points of the ring a key looks from: the nearest instance
// after any of them is its own. More probes even out the shares; with 12, the largest
// is about a tenth above the mean, and with one point and one probe it would be a
// multiple of it.
const probesOfKey = 12

// hashOf is the same in every process.
func hashOf(key string) uint64 { return xxhash.Sum64String(key) }

// mixed makes other bits of a hash (the finisher of SplitMix64).
func mixed(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xBF58476D1CE4E5B9
	h ^= h >> 27
	h *= 0x94D049BB133111EB
	return h ^ h>>31
}

// ring has each of a group at one point of a circle, found by hash of its ID. A guide
// finds the first point after any place without a search.
type ring struct {
	points []ringPoint
	guide  []uint32 // for each part of the circle, the first point in it or after
	shift  uint8
}

type ringPoint struct {
	at  uint64
	who uint32 // index in the group
}

func newRing(columns []column) ring {
	if len(columns) == 0 {
		return ring{}
	}
	n := uint64(len(columns))
	parts := uint64(1) << bits.Len64(n) // more parts than points
	r := ring{points: make([]ringPoint, n), guide: make([]uint32, parts+1), shift: uint8(64 - bits.Len64(n))}
	// Sorted by counting: points are spread evenly over the parts.
	for _, c := range columns {
		r.guide[c.point>>r.shift+1]++
	}
	for i := range parts {
		r.guide[i+1] += r.guide[i]
	}
	next := make([]uint32, parts)
	copy(next, r.guide)
	for i, c := range columns {
		part := c.point >> r.shift
		at := next[part]
		next[part]++
		for at > r.guide[part] && r.points[at-1].at > c.point {
			r.points[at] = r.points[at-1]
			at--
		}
		r.points[at] = ringPoint{c.point, uint32(i)}
	}
	return r
}

// find returns the index of whom a key belongs to.
func (r *ring) find(hash uint64) int {
	if len(r.points) == 0 {
		return 0
	}
	best, who := ^uint64(0), uint32(0)
	for range probesOfKey {
		hash = mixed(hash + 0x9E3779B97F4A7C15)
		i := r.guide[hash>>r.shift]
		for int(i) < len(r.points) && r.points[i].at < hash {
			i++
		}
		if int(i) == len(r.points) {
			i = 0
		}
		if p := &r.points[i]; p.at-hash <= best {
			best, who = p.at-hash, p.who
		}
	}
	return int(who)
}
