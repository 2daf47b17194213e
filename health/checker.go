package health

import (
	"context"
	"time"
)

// Checker is one thing that may work or not. A [Set] runs Check in a goroutine of
// its own and never twice at a time; a Checker that is registered with several
// sets must be safe for concurrent use.
//
// A Checker may have a method DefaultTimeout() time.Duration: the limit of one run
// where [CheckOptions] give none.
type Checker interface {
	// Name is unique within a set, short, and stable: it becomes part of addresses
	// and of metrics. Any non-empty text without control characters will do, except
	// the names of the groups [Live], [Ready] and [Startup]. It is read once.
	Name() string
	// Check looks once and returns as soon as ctx ends, which it does when the limit
	// of the check has passed, when the check is unregistered, and when the set is
	// closed. The ctx belongs to the run and not to whoever asked. What is returned
	// after the limit counts as a timeout.
	Check(ctx context.Context) Result
}

// Result is what one run of a check found. The zero value says that all is well.
type Result struct {
	// Err is why it does not work; nil means that it does. Its text is shown only to
	// whom the program authorizes, and it must hold no secret even so.
	Err error
	// Degraded says that it works, but not as it should: it is reported, and no group
	// fails because of it.
	Degraded bool
	// Reasons say why, in words that everybody may read who may see details at all.
	Reasons []string
	// Details are shown beside the status; no secrets. They are written as JSON once,
	// right after the run, and left out if that fails or takes more than 16 KiB.
	Details map[string]any
}

// defaultTimeout is the limit of a check that brings none.
const defaultTimeout = time.Second

// limitOf is the limit that a checker brings.
func limitOf(c Checker) time.Duration {
	if l, ok := c.(interface{ DefaultTimeout() time.Duration }); ok {
		if d := l.DefaultTimeout(); d > 0 {
			return d
		}
	}
	return defaultTimeout
}

// mistaken is a Checker that was made wrongly; Register says how.
type mistaken interface{ mistake() error }

// outside is a Checker of something that is not in this process.
type outside interface{ outside() }
