package policy

import "time"

// State is what a chain has done and does. Counters begin at zero with the
// chain and never go down; they are read one after the other, so that those of
// a busy chain need not add up.
type State struct {
	Calls    int64        // calls of Do and Call, those with an ended ctx not included
	InFlight int64        // calls that have not returned
	Layers   []LayerState // outermost first, as they were given; the slice is the caller's
}

// Layer returns the outermost layer of a kind ("retry", "breaker" ...), and
// whether there is one.
func (s State) Layer(kind string) (LayerState, bool) {
	for _, l := range s.Layers {
		if l.Kind == kind {
			return l, true
		}
	}
	return LayerState{}, false
}

// LayerState is what one layer has done and does. Fields that do not apply to
// its kind are zero.
type LayerState struct {
	// Kind is "retry", "breaker", "timeout", "bulkhead", "ratelimit", "hedge" or
	// "failsafe".
	Kind string

	// Rejected counts tries that the layer refused: ErrOpen of a breaker, ErrFull
	// of a bulkhead, ErrLimited of a rate limit, ErrFull of a timeout that has
	// abandoned too many, and retries that the budget of a retry refused.
	Rejected int64

	// Retries counts tries beyond the first of each call (retry).
	Retries int64
	// Hedges counts tries that were begun beside a slow one (hedge).
	Hedges int64

	// Timeouts counts calls or tries whose time was up (timeout).
	Timeouts int64
	// Abandoned is how many functions still run although their caller was freed
	// (timeout with Abandon), or a faster try has won (hedge).
	Abandoned int64
	// LatePanics counts functions that panicked after they were abandoned: there
	// is no caller left to panic in. LastPanic is the newest of them, or nil.
	LatePanics int64
	LastPanic  *PanicError

	// InFlight is how many hold a place (bulkhead).
	InFlight int64

	// Breaker is the state of a breaker, and Since is when it began. An open
	// breaker lets a probe through with the first call after Until; without calls
	// it stays open, which is no reason to be not ready.
	Breaker BreakerState
	Since   time.Time
	Until   time.Time // zero unless open
	// Calls and FailureRate (0 to 1, in whole per cents) are of the outcomes that
	// count within the window, as of the last outcome; while open, as of the
	// moment it opened; while half-open, of the probes.
	Calls       int64
	FailureRate float64
}

// BreakerState is the state of a breaker.
type BreakerState uint8

// The states of a breaker.
const (
	// Closed: calls pass.
	Closed BreakerState = iota
	// Open: calls are refused with [ErrOpen] until OpenFor has passed.
	Open
	// HalfOpen: a few calls pass as probes, the others are refused.
	HalfOpen
)

// String returns "closed", "open" or "half-open".
func (s BreakerState) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	}
	return "unknown"
}

// State returns what the chain has done and does. The State of a nil chain is
// the zero value. It is meant for status pages and metrics: it costs a lock and
// an allocation.
func (c *Chain) State() State {
	if c == nil {
		return State{}
	}
	returned := c.returned.Load() // first, or a call in between would make less than none
	s := State{Calls: c.begun.Load()}
	s.InFlight = s.Calls - returned
	for _, l := range c.steps {
		s.Layers = append(s.Layers, l.state())
	}
	return s
}
