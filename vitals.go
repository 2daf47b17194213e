package holdfast

import (
	"math"
	"sync/atomic"
	"time"
)

// vitals is what this process has seen of one instance, by the requests that it was
// picked for. It belongs to an ID from when that appears until it goes.
type vitals struct {
	failures atomic.Uint32 // in a row
	running  atomic.Int32  // requests of pickers that weigh load
	latency  atomic.Uint64 // see latency

	ejections int       // in a row; guarded by outliers.mu
	returned  time.Time // from the last ejection; guarded by outliers.mu
}

const (
	// halfLife is in what time half of the average is forgotten.
	halfLife = 2 * time.Second
	// failurePenalty is the least that a failed request counts as: one that is
	// refused at once must not make its instance look fast.
	failurePenalty = time.Second
	// unknownLatency is what a request under way counts as while its instance has
	// not answered any: a newcomer gets one request, not all of them.
	unknownLatency = time.Second
)

// latency is an exponentially weighted average that follows peaks at once (peak
// EWMA, as in Finagle): the upper half is a float32 of nanoseconds, the lower half
// when it was made, in units of 1,024 ns, which come round after 73 minutes.
type latency struct {
	nanoseconds float32
	at          uint32
}

func unpackLatency(word uint64) latency {
	return latency{math.Float32frombits(uint32(word >> 32)), uint32(word)}
}

func (l latency) pack() uint64 { return uint64(math.Float32bits(l.nanoseconds))<<32 | uint64(l.at) }

// lag is how many ticks, 17 s, a clock may be behind the one that made an average:
// most picks take the time of one before.
const lag = 1 << 24

// ticks is a moment in the units of latency.at.
func ticks(now int64) uint32 { return uint32(now >> 10) }

// faded is what is left of the average now. Without requests a peak is forgotten, so
// that its instance gets requests again.
func (l latency) faded(now int64) float32 { return l.nanoseconds * l.rest(now) }

// rest is 1 for an average of now, or of a little later, and half of it after each half-life.
func (l latency) rest(now int64) float32 {
	passed := ticks(now) - l.at
	if -passed <= lag {
		return 1
	}
	halves := float32(passed) * (1024 / float32(halfLife))
	if halves >= 126 {
		return 0
	}
	// The exponent of a float is a logarithm: between powers of two this is a
	// straight line, at most 6 % above the curve, and takes no time.
	return math.Float32frombits(uint32((127 - halves) * (1 << 23)))
}

// load is what the next request would wait for: the latency times those before it.
func (v *vitals) load(now int64) float32 {
	running := float32(v.running.Load())
	l := unpackLatency(v.latency.Load())
	if l.nanoseconds == 0 {
		return running * float32(unknownLatency)
	}
	return l.faded(now) * (running + 1)
}

// took adds a request to the average. Two that end at once may count as one.
func (v *vitals) took(d time.Duration, now int64) {
	value := float32(d)
	l := unpackLatency(v.latency.Load())
	if value < l.nanoseconds {
		// The longer ago the last one was, the more the new one counts.
		rest := l.rest(now)
		value = l.nanoseconds*rest + value*(1-rest)
	}
	v.latency.Store(latency{max(value, 1), ticks(now)}.pack())
}
