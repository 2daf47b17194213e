package core

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// The kinds of error. A driver puts one of them into [Error].Kind; everybody
// else asks with errors.Is.
var (
	// ErrNotFound: the backend answers, and what was asked for is not there. An
	// answer, not a failure.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the backend does not answer, or the outcome is unknown. Try
	// again soon.
	ErrUnavailable = errors.New("unavailable")
	// ErrThrottled: the backend asks for fewer requests. Try again, but later.
	ErrThrottled = errors.New("throttled")
	// ErrRevisionGone: a watch can't continue from its revision. List again.
	ErrRevisionGone = errors.New("revision gone")
	// ErrConflict: somebody else, newer, holds it.
	ErrConflict = errors.New("conflict")
	// ErrDenied: the backend answers but refuses until a person acts
	// (credentials, access rights, no space). Try again in a minute.
	ErrDenied = errors.New("denied")
	// ErrInvalid: it can never work as it was asked. Change what is asked.
	ErrInvalid = errors.New("invalid")
	// ErrCorrupt: it is there but damaged.
	ErrCorrupt = errors.New("corrupt")
	// ErrClosed: used after Close.
	ErrClosed = errors.New("closed")
)

// Error is what a driver returns: its text reads "driver: op key: kind: cause".
// It unwraps to both Kind and Err.
type Error struct {
	Driver string // "etcd"
	Op     string // "load", "watch", "register", ...
	Key    string // what it was about; "" if nothing in particular. Never a value.
	Kind   error  // one of the kinds above
	Err    error  // the cause, nil if Kind says it all. It never holds a value or a secret.
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Driver)
	b.WriteString(": ")
	b.WriteString(e.Op)
	if e.Key != "" {
		b.WriteByte(' ')
		b.WriteString(printable(e.Key))
	}
	if e.Kind != nil {
		b.WriteString(": ")
		b.WriteString(e.Kind.Error())
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns Kind and Err, without nils.
func (e *Error) Unwrap() []error {
	switch {
	case e.Kind == nil && e.Err == nil:
		return nil
	case e.Kind == nil:
		return []error{e.Err}
	case e.Err == nil:
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// printable quotes a key that would break a line of log, and cuts one that would
// fill it.
func printable(key string) string {
	const longest = 256
	cut := ""
	if len(key) > longest {
		key, cut = key[:longest], "..."
	}
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(key) + cut
	}
	return key + cut
}
