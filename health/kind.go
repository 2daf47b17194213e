package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

var (
	// ErrTimeout is what the Err of a check is that did not answer within its limit.
	// It is context.DeadlineExceeded too.
	ErrTimeout = fmt.Errorf("timeout: %w", context.DeadlineExceeded)
	// ErrPanic is what the Err of a check is that panicked.
	ErrPanic = errors.New("panic")
)

// Kind names what kind of error it is, in words that tell nothing of where and
// what and so may be shown to strangers: "timeout", "panic", one of the kinds of
// package core, or "error" for all others. It is "" for nil.
func Kind(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrPanic):
		return "panic"
	case errors.Is(err, ErrTimeout):
		return "timeout"
	}
	for _, kind := range []error{
		core.ErrDenied, core.ErrConflict, core.ErrThrottled, core.ErrCorrupt, core.ErrInvalid,
		core.ErrRevisionGone, core.ErrClosed, core.ErrUnavailable, core.ErrNotFound,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "error"
}

// timeout is a check that did not answer in time.
type timeout struct{ limit time.Duration }

func (t timeout) Error() string { return fmt.Sprintf("timeout: no answer within %v", t.limit) }
func (timeout) Unwrap() error   { return ErrTimeout }

// panicked is a check that panicked. Its text does not quote what it panicked
// with, which may hold a value.
type panicked struct{ what, stack string }

func (p *panicked) Error() string { return "panic: " + p.what }
func (*panicked) Unwrap() error   { return ErrPanic }
