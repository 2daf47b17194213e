package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// TestChain_EqualsItsModel runs random chains through random outcomes: tries,
// elapsed time, the states of the breaker, the kind of error and the counters are
// those of the model.
func TestChain_EqualsItsModel(t *testing.T) {
	const chains, calls = 1500, 80
	seen := map[string]int{}
	for seed := range uint64(chains) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			m := randomModel(r)
			c := policy.Must(m.layers()...)
			var events []policy.Event
			defer c.OnChange(func(e policy.Event) { events = append(events, e) })()
			c.SetDraw(func(d time.Duration) time.Duration { return time.Duration(m.jitter * float64(d)) })
			troubled := r.Float64() // how much goes wrong
			for i := range calls {
				if r.IntN(10) == 0 {
					troubled = r.Float64()
				}
				time.Sleep(odd(r, []time.Duration{time.Millisecond, 300 * time.Millisecond, 8 * time.Second}[r.IntN(3)]))
				if what := oneCall(t, r, m, c, troubled, &events, seen); what != "" {
					t.Fatalf("chain %d (%v), call %d: %s", seed, describe(m), i, what)
				}
			}
			if what := sameCounters(m, c); what != "" {
				t.Fatalf("chain %d (%v): %s", seed, describe(m), what)
			}
		})
		if t.Failed() {
			return
		}
	}
	// A test of random outcomes says nothing about what never came up.
	for _, what := range []string{"ok", "open", "timeout", "caller", "missing", "panic", "retried", "to open", "to half-open", "to closed"} {
		if seen[what] < 20 {
			t.Errorf("%q came up only %d times", what, seen[what])
		}
	}
}

// oneCall makes a call and compares it with the model; it returns what differs.
func oneCall(t *testing.T, r *rand.Rand, m *model, c *policy.Chain, troubled float64, events *[]policy.Event, seen map[string]int) string {
	begun := time.Now()
	var cancelAt, deadline time.Time
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch r.IntN(8) {
	case 0:
		d := odd(r, 700*time.Millisecond)
		cancelAt = begun.Add(d)
		defer time.AfterFunc(d, cancel).Stop()
	case 1:
		deadline = begun.Add(odd(r, 700*time.Millisecond))
		var end context.CancelFunc
		ctx, end = context.WithDeadline(ctx, deadline)
		defer end()
	}
	script := make([]scripted, 10)
	for i := range script {
		s := scripted{takes: odd(r, 200*time.Millisecond), heeds: r.IntN(4) > 0}
		if r.Float64() < troubled {
			switch r.IntN(8) {
			case 0:
				s.err = errSlow
			case 1:
				s.err = errMissing
			case 2:
				s.panic = r.IntN(3) == 0
				s.err = errUnknown
			case 3:
				s.takes += odd(r, 2*time.Second)
			default:
				s.err = core.ErrUnavailable
			}
		}
		script[i] = s
	}

	got := ending{}
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				got.panicked = true
			}
		}()
		return c.Do(ctx, func(ctx context.Context) error {
			s := script[got.tries]
			got.tries++
			if !s.heeds {
				time.Sleep(s.takes)
			} else {
				timer := time.NewTimer(s.takes)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if s.panic {
				panic("scripted")
			}
			return s.err
		})
	}()
	got.at = time.Now()
	synctest.Wait() // for the events

	for _, e := range *events {
		if e.To == policy.Open {
			m.opens = append(m.opens, e.Until)
			if d := e.Until.Sub(e.At); d < m.breaker.OpenFor*4/5-1 || d > m.breaker.OpenFor {
				return fmt.Sprintf("it opens for %v; want 80 to 100 %% of %v", d, m.breaker.OpenFor)
			}
		}
	}
	step := 0
	want := m.call(begun, cancelAt, deadline, func() scripted { step++; return script[step-1] })

	got.ok = err == nil && !got.panicked
	got.open = errors.Is(err, policy.ErrOpen)
	got.timeout = errors.Is(err, policy.ErrTimeout)
	got.caller = want.caller // the error says so only where the ctx was all that went wrong
	got.missing = errors.Is(err, core.ErrNotFound)
	if got != want {
		return fmt.Sprintf("%+v after %v, %v; want %+v after %v", got, got.at.Sub(begun), err, want, want.at.Sub(begun))
	}
	if want.caller && err == nil {
		return "no error although the caller's ctx ended it"
	}

	if m.breaker != nil {
		if l, _ := c.State().Layer("breaker"); l.Breaker != m.state {
			return fmt.Sprintf("the breaker is %v; want %v", l.Breaker, m.state)
		}
	}
	if len(*events) != len(m.changes) {
		return fmt.Sprintf("%d events; want %d: %v", len(*events), len(m.changes), m.changes)
	}
	for i, e := range *events {
		if w := m.changes[i]; e.From != w.From || e.To != w.To || !e.At.Equal(w.At) {
			return fmt.Sprintf("event %v; want %v", e, w)
		}
		seen["to "+e.To.String()]++
	}
	*events, m.changes = nil, nil
	for what, was := range map[string]bool{
		"ok": want.ok, "open": want.open, "timeout": want.timeout, "caller": want.caller, "missing": want.missing,
		"panic": want.panicked, "retried": want.tries > 1,
	} {
		if was {
			seen[what]++
		}
	}
	return ""
}

func sameCounters(m *model, c *policy.Chain) string {
	var retries, rejected, timeouts int64
	for _, l := range c.State().Layers {
		retries += l.Retries
		timeouts += l.Timeouts
		if l.Kind == "breaker" {
			rejected += l.Rejected
		}
	}
	if retries != m.retries || rejected != m.rejected || timeouts != m.wholeOut+m.eachOut {
		return fmt.Sprintf("%d retries, %d rejected, %d timeouts; want %d, %d, %d",
			retries, rejected, timeouts, m.retries, m.rejected, m.wholeOut+m.eachOut)
	}
	if n := c.State().InFlight; n != 0 {
		return fmt.Sprintf("%d in flight after the last call", n)
	}
	return ""
}

func describe(m *model) string { return fmt.Sprintf("%+v", m.layers()) }
