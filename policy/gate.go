package policy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// gate is the state of a breaker. Counting, rates and changes of state are those
// of failsafe-go's breaker. Around it stands what that lacks: half-open permits
// that can be given back, outcomes that are told apart by the state in which
// their call began, and a refusal that takes no lock.
type gate struct {
	breaker  circuitbreaker.CircuitBreaker[any]
	openFor  time.Duration
	probes   int
	tell     func(Event)
	born     time.Time
	now      atomic.Uint64 // the current period: its number << 2 | its state
	until    atomic.Int64  // when an open period ends, since born
	rejected atomic.Int64
	refusal  atomic.Pointer[refusal] // of the newest open period

	mu       sync.Mutex // held around every call of breaker, except in state
	since    time.Time
	err      error // the failure that is being counted
	inFlight int   // probes that hold a place
	passed   int   // probes that succeeded
	round    uint32
	newest   time.Time // when the newest probe began
}

// permit is the right to make one call.
type permit struct {
	period uint64
	round  uint32 // of the places that the probe took one of
	probe  bool
}

func newGate(l Breaker, tell func(Event)) *gate {
	g := &gate{openFor: l.OpenFor, probes: l.HalfOpenProbes, tell: tell, born: time.Now()}
	g.since = g.born
	g.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(l.FailureRate, uint(l.MinCalls), l.Window).
		WithSuccessThreshold(uint(l.HalfOpenProbes)).
		WithRandomDelay(l.OpenFor-l.OpenFor/5, l.OpenFor).
		OnStateChanged(g.changed).
		Build()
	return g
}

// enter asks for a call.
func (g *gate) enter() (permit, bool) {
	now := g.now.Load()
	switch BreakerState(now & 3) {
	case Closed:
		// failsafe-go's breaker would say yes without looking at anything.
		return permit{period: now}, true
	case Open:
		if time.Since(g.born) < time.Duration(g.until.Load()) {
			g.rejected.Add(1)
			return permit{}, false
		}
	}
	p, ok := g.probe()
	if !ok {
		g.rejected.Add(1)
	}
	return p, ok
}

// probe asks for a call when the breaker is not closed.
func (g *gate) probe() (permit, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if BreakerState(g.now.Load()&3) == Open && !g.breaker.TryAcquirePermit() {
		return permit{}, false
	}
	now := g.now.Load()
	if BreakerState(now&3) == Closed {
		return permit{period: now}, true
	}
	at := time.Now()
	if g.inFlight > 0 && g.inFlight+g.passed >= g.probes && at.Sub(g.newest) >= g.openFor {
		// Probes that hang keep their chance to report, but no longer their place.
		g.round++
		g.inFlight = 0
	}
	if g.inFlight+g.passed >= g.probes {
		return permit{}, false
	}
	g.inFlight++
	g.newest = at
	return permit{period: now, round: g.round, probe: true}, true
}

// refused is the error of a call that enter refused. How long the probes of a
// half-open breaker take is not known.
func (g *gate) refused() error {
	if BreakerState(g.now.Load()&3) == Open {
		return g.refusal.Load()
	}
	return ErrOpen
}

// leave reports what became of a call.
func (g *gate) leave(p permit, o outcome, err error) {
	if o == uncounted && !p.probe {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.period != g.now.Load() {
		return
	}
	if p.probe && p.round == g.round {
		g.inFlight--
	}
	switch o {
	case succeeded:
		if p.probe {
			g.passed++
		}
		g.breaker.RecordSuccess()
	case failed:
		g.err = err
		g.breaker.RecordFailure()
		g.err = nil
	}
}

// changed is called by breaker, within a call of it: g.mu is held.
func (g *gate) changed(e circuitbreaker.StateChangedEvent) {
	at := time.Now()
	event := Event{From: stateOf(e.OldState), To: stateOf(e.NewState), At: at, FailureRate: e.Metrics().FailureRate()}
	g.since, g.inFlight, g.passed = at, 0, 0
	g.round++
	if event.To == Open {
		left := g.breaker.RemainingDelay()
		event.Until, event.Err = at.Add(left), g.err
		g.until.Store(int64(at.Sub(g.born) + left))
		g.refusal.Store(&refusal{kind: ErrOpen, until: event.Until})
	}
	g.now.Store((g.now.Load()>>2+1)<<2 | uint64(event.To))
	g.tell(event)
}

func (g *gate) state() LayerState {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := LayerState{Rejected: g.rejected.Load(), Breaker: BreakerState(g.now.Load() & 3), Since: g.since}
	if l.Breaker == Open {
		l.Until = g.born.Add(time.Duration(g.until.Load()))
	}
	m := g.breaker.Metrics()
	l.Calls, l.FailureRate = int64(m.Executions()), m.FailureRate()
	return l
}

func stateOf(s circuitbreaker.State) BreakerState {
	switch s {
	case circuitbreaker.OpenState:
		return Open
	case circuitbreaker.HalfOpenState:
		return HalfOpen
	}
	return Closed
}
