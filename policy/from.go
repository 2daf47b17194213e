package policy

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/timeout"
)

// From makes a layer of any policy of failsafe-go: adaptive limiters, caches, or
// one of its own fallbacks. It runs in failsafe-go's executor, which costs about
// 1 us, and with failsafe-go's rules: it retries what its policy is told to retry
// ([ErrOpen] of a breaker further in included), and a policy that runs the
// function on a goroutine can't pass on a panic. It may stand anywhere in a chain,
// and there may be several.
//
// The policy sees the values of [Call] and may return others of the same type; a
// value of another type is a [core.ErrInvalid]. [Chain.Do] has no value. The
// errors of failsafe-go become those of this package: its open breaker is an
// [ErrOpen], and so on. A nil policy is refused by [New].
func From(p failsafe.Policy[any]) Layer { return from{p} }

type from struct{ policy failsafe.Policy[any] }

func (from) kind() string { return "failsafe" }

func (l from) check() error {
	if isNil(l.policy) {
		return refuse("From has no policy; it must not be nil")
	}
	return nil
}

func (l from) build(*plan) step { return &fromStep{executor: failsafe.With(l.policy)} }

type fromStep struct {
	executor failsafe.Executor[any]
	rejected atomic.Int64
}

func (s *fromStep) state() LayerState {
	return LayerState{Kind: from{}.kind(), Rejected: s.rejected.Load()}
}

func (s *fromStep) do(ctx context.Context, rest []step, r runner) error {
	v, err := s.executor.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[any]) (any, error) { //nolint:contextcheck // exec's ctx descends from ctx
		f := r.fork().runner
		err := run(exec.Context(), rest, f)
		return f.value(), err
	})
	if err != nil {
		err = translate(err)
		if isRefusal(err) {
			s.rejected.Add(1)
		}
		return err
	}
	return r.set(v)
}

// translate gives the errors of failsafe-go the kinds of this package.
func translate(err error) error {
	for _, t := range [...]struct{ theirs, ours error }{
		{circuitbreaker.ErrOpen, ErrOpen},
		{bulkhead.ErrFull, ErrFull},
		{ratelimiter.ErrExceeded, ErrLimited},
		{budget.ErrExceeded, ErrLimited},
		{timeout.ErrExceeded, ErrTimeout},
	} {
		if errors.Is(err, t.theirs) {
			return &compound{t.ours, err}
		}
	}
	return err
}
