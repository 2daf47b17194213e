package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

// The refusals of layers. Each is of a kind of package core, so that a fallback
// can treat a call that was refused like one that failed. Ask with errors.Is: what
// an open breaker and a rate limit return also has a method RetryAfter()
// time.Duration: how long it is until a call may pass, for a rate limit at most.
var (
	// ErrOpen: the breaker is open, no call was made. It is a
	// [core.ErrUnavailable].
	ErrOpen error = &sentinel{"policy: breaker open", []error{core.ErrUnavailable}}
	// ErrFull: the bulkhead has no place, or too many abandoned functions still
	// run; no call was made. It is a [core.ErrThrottled].
	ErrFull error = &sentinel{"policy: bulkhead full", []error{core.ErrThrottled}}
	// ErrLimited: the rate limit is used up, no call was made. It is a
	// [core.ErrThrottled].
	ErrLimited error = &sentinel{"policy: rate limit exceeded", []error{core.ErrThrottled}}
	// ErrTimeout: a [Timeout] of the chain passed. The call was made, its outcome
	// is unknown. It is a [core.ErrUnavailable] and a [context.DeadlineExceeded].
	ErrTimeout error = &sentinel{"policy: timeout", []error{core.ErrUnavailable, context.DeadlineExceeded}}
)

// sentinel is an error of this package and the kinds that it is of.
type sentinel struct {
	text  string
	kinds []error
}

func (e *sentinel) Error() string   { return e.text }
func (e *sentinel) Unwrap() []error { return e.kinds }

// compound is an error with what led to it.
type compound struct {
	err   error
	cause error
}

func (e *compound) Error() string   { return fmt.Sprintf("%v (%v)", e.err, e.cause) }
func (e *compound) Unwrap() []error { return []error{e.err, e.cause} }

// IsFailure reports whether an error speaks against the health of what was
// called. It is what Retry.If and Breaker.If are when they are nil, and a
// beginning for one's own:
//
//	If: func(err error) bool { return policy.IsFailure(err) && !errors.Is(err, ErrNoSuchUser) }
//
// Failures are [core.ErrUnavailable], [core.ErrThrottled],
// [context.DeadlineExceeded], and every error that is of no kind of package
// core: of a call that failed for an unknown reason nobody can say that it was
// answered. Not failures are nil, [context.Canceled], the refusals of layers
// ([ErrOpen], [ErrFull], [ErrLimited]), and the other kinds of package core:
// they are answers, or mistakes on this side. An error that is of several kinds
// is a failure if one of them is.
func IsFailure(err error) bool {
	switch {
	case err == nil, isRefusal(err):
		return false
	case errors.Is(err, core.ErrUnavailable), errors.Is(err, core.ErrThrottled):
		return true
	case isAnswer(err), errors.Is(err, context.Canceled):
		return false
	}
	return true
}

// isRefusal reports whether a layer refused the call, so that none was made.
func isRefusal(err error) bool {
	return errors.Is(err, ErrOpen) || errors.Is(err, ErrFull) || errors.Is(err, ErrLimited)
}

// isAnswer reports whether an error says that what was called answers, or that
// calling it was a mistake on this side.
func isAnswer(err error) bool {
	for _, kind := range [...]error{
		core.ErrNotFound, core.ErrDenied, core.ErrInvalid, core.ErrConflict,
		core.ErrRevisionGone, core.ErrCorrupt, core.ErrClosed,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// refused says why a wait of a layer for a place ended with its ctx.
func refused(ctx context.Context, refusal error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrTimeout) {
		// A timeout of a chain passed while nothing was called: that must not be
		// taken for a call that took too long.
		return &compound{refusal, cause}
	}
	return cause
}
