package policy

import (
	"sync"
	"time"
)

// RetryBudget bounds the retries of all chains that share it, so that an outage
// does not multiply the load on what is already down: retries are at most Ratio
// per call plus MinPerSecond per second, in the long run. A call that fails when
// the budget is used up returns its failure at once. It is safe for concurrent
// use; its fields must not change once a chain has it, and it must not be
// copied.
//
// It is a bucket of tokens. Each call adds Ratio of a token, each second adds
// MinPerSecond, a retry takes one; the bucket holds at most Burst, and begins
// with one second's worth. The budget of failsafe-go bounds how many retries run
// at a time instead, which lets any number through when they fail fast.
type RetryBudget struct {
	// Ratio is retries per call, 0.001 to 10. Default 0.2.
	Ratio float64
	// MinPerSecond is retries per second whatever the calls, 0.001 to 1e6, so that
	// a chain that is called rarely retries at all. Default 1.
	MinPerSecond float64
	// Burst is how many tokens the bucket holds, 1 to 1e6. Default 100, and at
	// least MinPerSecond.
	Burst int

	mu     sync.Mutex
	full   bool // begun: tokens and last are valid
	tokens float64
	last   time.Time
}

func (b *RetryBudget) check() error {
	return first(
		within("RetryBudget.Ratio", b.Ratio, 0.001, 10),
		within("RetryBudget.MinPerSecond", b.MinPerSecond, 0.001, 1e6),
		within("RetryBudget.Burst", b.Burst, 1, 1_000_000),
	)
}

func (b *RetryBudget) ratio() float64   { return or(b.Ratio, 0.2) }
func (b *RetryBudget) minimum() float64 { return or(b.MinPerSecond, 1) }
func (b *RetryBudget) burst() float64   { return max(float64(or(b.Burst, 100)), b.minimum(), 1) }

// Deposit notes a call: for code that retries by itself and shares the budget.
func (b *RetryBudget) Deposit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin()
	b.tokens = min(b.tokens+b.ratio(), b.burst())
}

// Withdraw takes the token of a retry, and reports whether there was one: without,
// there must be no retry.
func (b *RetryBudget) Withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin()
	now := time.Now()
	b.tokens = min(b.tokens+b.minimum()*now.Sub(b.last).Seconds(), b.burst())
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// begin fills the bucket of a budget that was not used before.
func (b *RetryBudget) begin() {
	if !b.full {
		b.full, b.tokens, b.last = true, min(max(b.minimum(), 1), b.burst()), time.Now()
	}
}

// or returns v, or its default.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
