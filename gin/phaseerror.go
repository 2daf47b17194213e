package holdfastgin

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

// phaseError is what went wrong in one phase: one part per announcement, hook or
// engine, so that each can be judged on its own.
type phaseError struct {
	phase Phase
	parts []error
}

// Error implements error.
func (e *phaseError) Error() string { return fmt.Sprintf("%v: %v", e.phase, errors.Join(e.parts...)) }

// Unwrap returns the parts.
func (e *phaseError) Unwrap() []error { return e.parts }

// parts takes apart what errors.Join put together; phases return nothing else
// that unwraps to several.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// forgive drops the parts of a phase's error that are of a kind.
func forgive(err error, p Phase, kind error) error {
	if err == nil {
		return nil
	}
	var rest []error
	for _, part := range parts(err) {
		if !errors.Is(part, kind) {
			rest = append(rest, part)
		}
	}
	if rest == nil {
		return nil
	}
	return &phaseError{phase: p, parts: rest}
}

// unanswered gives an error of running out of time its kind: it was a backend
// that used it up.
func unanswered(err error) error {
	if errors.Is(err, errBudget) && !errors.Is(err, core.ErrUnavailable) {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return err
}
