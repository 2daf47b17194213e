package policy_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// The model: what a chain of Timeout (whole), Retry, Breaker and Timeout (each)
// does with calls that come one after the other, in as few words as it takes. It
// knows nothing of contexts, permits or locks.

// scripted is what one try does if nobody interrupts it.
type scripted struct {
	takes time.Duration
	heeds bool // its ctx
	err   error
	panic bool
}

var (
	errUnknown = errors.New("nobody knows")
	errMissing = &core.Error{Driver: "model", Op: "try", Kind: core.ErrNotFound}
	errSlow    = &core.Error{Driver: "model", Op: "try", Kind: core.ErrThrottled}
)

// model is a chain. A zero layer is none.
type model struct {
	whole, each time.Duration
	retry       *policy.Retry
	breaker     *policy.Breaker
	jitter      float64 // what the chain draws, as a share

	state    policy.BreakerState
	until    time.Time
	outcomes []counted
	passed   int
	opens    []time.Time    // until when the chain said that it is open, for the times to come
	changes  []policy.Event // From, To and At only

	retries, rejected, wholeOut, eachOut int64
}

type counted struct {
	at     time.Time
	failed bool
}

// ending is how a call ends.
type ending struct {
	at       time.Time
	tries    int
	panicked bool
	ok       bool
	open     bool // ErrOpen
	timeout  bool // ErrTimeout
	caller   bool // the caller's ctx ended it
	missing  bool // errMissing
}

// call runs a call at a time. The caller's ctx ends at cancel or deadline; a zero
// time is never. next gives what each try does.
func (m *model) call(at, cancel, deadline time.Time, next func() scripted) ending {
	begun := at
	var wholeEnd time.Time
	if m.whole > 0 {
		wholeEnd = at.Add(m.whole)
	}
	callerEnd := earliest(cancel, deadline)
	known := earliest(deadline, wholeEnd) // what ctx.Deadline says
	ctxEnd := earliest(callerEnd, wholeEnd)
	byWhole := !wholeEnd.IsZero() && ctxEnd.Equal(wholeEnd)

	out := ending{at: at}
	attempts, delay := 1, time.Duration(0)
	if m.retry != nil {
		attempts, delay = m.retry.MaxAttempts, m.retry.Delay
	}
	finish := func(err error) ending {
		if passed(out.at, ctxEnd) && byWhole && err != nil && !errors.Is(err, core.ErrNotFound) {
			out.timeout = true
			m.wholeOut++
		}
		out.ok, out.missing = err == nil, errors.Is(err, core.ErrNotFound)
		return out
	}
	var err error
	for try := 1; ; try++ {
		if !m.allows(out.at) {
			m.rejected++
			out.open, out.timeout = true, errors.Is(err, policy.ErrTimeout)
			return finish(policy.ErrOpen)
		}
		out.tries++
		s := next()
		end, eachEnd := ctxEnd, time.Time{}
		if m.each > 0 {
			eachEnd = out.at.Add(m.each)
			end = earliest(ctxEnd, eachEnd)
		}
		natural := out.at.Add(s.takes)
		if s.heeds && passed(natural, end) {
			out.at, err = end, context.DeadlineExceeded
		} else {
			out.at, err = natural, s.err
			if s.panic {
				m.count(out.at, true)
				out.panicked, out.timeout = true, false
				return out
			}
		}
		answer := err == nil || errors.Is(err, core.ErrNotFound)
		if passed(out.at, eachEnd) && end.Equal(eachEnd) && !answer {
			m.eachOut++
			err = errors.Join(policy.ErrTimeout, err)
		}
		switch {
		case err != nil && passed(out.at, ctxEnd) && !byWhole:
			out.caller = true // counts as nothing
		default:
			m.count(out.at, !answer)
		}
		out.timeout = errors.Is(err, policy.ErrTimeout)
		if answer || try == attempts || passed(out.at, ctxEnd) {
			return finish(err)
		}
		wait := time.Duration(m.jitter * float64(delay))
		if errors.Is(err, core.ErrThrottled) {
			half := m.retry.MaxDelay / 2
			wait = half + time.Duration(m.jitter*float64(m.retry.MaxDelay-half))
		}
		if e := m.retry.MaxElapsed; e > 0 && out.at.Add(wait).Sub(begun) > e {
			return finish(err)
		}
		if !known.IsZero() && known.Sub(out.at) <= wait {
			return finish(err)
		}
		if passed(out.at.Add(wait), ctxEnd) {
			out.at, out.caller = ctxEnd, true
			return finish(err)
		}
		out.at = out.at.Add(wait)
		m.retries++
		delay = min(time.Duration(float64(delay)*m.retry.Multiplier), m.retry.MaxDelay)
	}
}

// allows asks the breaker.
func (m *model) allows(at time.Time) bool {
	if m.breaker != nil && m.state == policy.Open {
		if at.Before(m.until) {
			return false
		}
		m.become(policy.HalfOpen, at)
		m.passed = 0
	}
	return true
}

// count tells the breaker.
func (m *model) count(at time.Time, failed bool) {
	if m.breaker == nil {
		return
	}
	if m.state == policy.HalfOpen {
		switch m.passed++; {
		case failed:
			m.open(at)
		case m.passed == m.breaker.HalfOpenProbes:
			m.become(policy.Closed, at)
			m.outcomes = nil
		}
		return
	}
	m.outcomes = append(m.outcomes, counted{at, failed})
	slice := m.breaker.Window.Nanoseconds() / 10
	n, bad := 0, 0
	for _, o := range m.outcomes {
		if o.at.UnixNano()/slice > at.UnixNano()/slice-10 {
			n++
			if o.failed {
				bad++
			}
		}
	}
	if n >= m.breaker.MinCalls && perCent(float64(bad)/float64(n)) >= perCent(m.breaker.FailureRate) {
		m.open(at)
	}
}

// open opens the breaker. For how long, the chain has drawn.
func (m *model) open(at time.Time) {
	m.become(policy.Open, at)
	m.until = at.Add(m.breaker.OpenFor)
	if len(m.opens) > 0 {
		m.until, m.opens = m.opens[0], m.opens[1:]
	}
}

func (m *model) become(s policy.BreakerState, at time.Time) {
	m.changes = append(m.changes, policy.Event{From: m.state, To: s, At: at})
	m.state = s
}

func perCent(rate float64) float64 { return math.Round(rate * 100) }

// passed reports whether a time is at or after an end; a zero end never comes.
func passed(at, end time.Time) bool { return !end.IsZero() && !at.Before(end) }

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// randomModel draws a chain.
func randomModel(r *rand.Rand) *model {
	m := &model{jitter: r.Float64()}
	if r.IntN(3) == 0 {
		m.whole = odd(r, 2*time.Second)
	}
	if r.IntN(2) == 0 {
		m.each = odd(r, 500*time.Millisecond)
	}
	if m.whole > 0 && m.whole < m.each {
		m.whole = 0
	}
	if r.IntN(5) > 0 {
		l := &policy.Retry{MaxAttempts: 1 + r.IntN(6), Delay: odd(r, 100*time.Millisecond), Multiplier: 1 + 3*r.Float64()}
		l.MaxDelay = l.Delay + odd(r, time.Second)
		if r.IntN(3) == 0 {
			l.MaxElapsed = odd(r, time.Second)
		}
		m.retry = l
	} else {
		m.whole = 0 // two timeouts need something between them
	}
	if r.IntN(5) > 0 {
		m.breaker = &policy.Breaker{
			FailureRate: float64(1+r.IntN(100)) / 100, Window: 10 * odd(r, time.Second), MinCalls: 1 + r.IntN(10),
			OpenFor: odd(r, 3*time.Second) + time.Millisecond, HalfOpenProbes: 1 + r.IntN(4),
		}
		m.breaker.Window += 10 * time.Millisecond
	}
	return m
}

// odd draws a duration that is unlikely to end together with another one.
func odd(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most))) + 1000
}

// layers are the chain of a model.
func (m *model) layers() (layers []policy.Layer) {
	if m.whole > 0 {
		layers = append(layers, policy.Timeout{After: m.whole})
	}
	if m.retry != nil {
		layers = append(layers, *m.retry)
	}
	if m.breaker != nil {
		layers = append(layers, *m.breaker)
	}
	if m.each > 0 {
		layers = append(layers, policy.Timeout{After: m.each})
	}
	return layers
}
