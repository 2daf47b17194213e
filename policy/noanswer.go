package policy

import (
	"errors"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// Why a level of a fallback did not answer, besides errors of its store.
var (
	errNotAsked = errors.New("not for this kind of error")
	// Not core.ErrNotFound: that the backend has no such thing is not what it says.
	errNothing = errors.New("nothing remembered for this key")
	errTooOld  = errors.New("what is remembered for this key is too old")
	errReading = errors.New("the cache store has not answered yet")
)

// LevelError is why one level of a [Fallback] did not answer.
type LevelError struct {
	Level core.Level
	Err   error
}

// NoAnswerError is returned when no level of a [Fallback] answered. It unwraps
// to what each level said, so errors.Is finds the kinds of all of them; that a
// cache holds nothing for the key is no [core.ErrNotFound]. It is also
// [core.ErrUnavailable] if the live call failed with an error of the network or
// a timeout, whoever made that error.
type NoAnswerError struct {
	// Levels has one entry per level, the live call first.
	Levels []LevelError
}

// Error implements error.
func (e *NoAnswerError) Error() string {
	var b strings.Builder
	b.WriteString("policy: no level answered")
	for i, l := range e.Levels {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(l.Level.String())
		b.WriteString(": ")
		b.WriteString(l.Err.Error())
	}
	return b.String()
}

// Unwrap returns what each level said.
func (e *NoAnswerError) Unwrap() []error {
	errs := make([]error, len(e.Levels))
	for i, l := range e.Levels {
		errs[i] = l.Err
	}
	return errs
}

// Is makes an error of the network the kind that it is, see the type.
func (e *NoAnswerError) Is(target error) bool {
	return target == core.ErrUnavailable && len(e.Levels) > 0 && isKind(e.Levels[0].Err, core.ErrUnavailable)
}
