package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// run is one run of a check. Its fields belong to the lock of the check.
type run struct {
	began   time.Time
	limit   *time.Timer
	cancel  context.CancelCauseFunc
	expired bool          // the limit has passed and it still runs
	settled chan struct{} // closed as soon as there is an outcome, or will be none
	done    bool          // settled is closed
}

func (r *run) settle() {
	if !r.done {
		r.done = true
		close(r.settled)
	}
}

// outcome is a Result whose details are written already: what can't be written
// then harms no probe later, and nobody else reads the caller's map.
type outcome struct {
	err      error
	degraded bool
	reasons  []string
	details  json.RawMessage
}

// longestDetails bounds what one check puts into the body of every report, in
// bytes.
const longestDetails = 16 << 10

// work runs the checker, in the one goroutine that a run has. A panic and a
// runtime.Goexit are failures like any other.
func (c *check) work(ctx context.Context, r *run) {
	var o outcome
	returned := false
	defer func() {
		if !returned {
			o = outcome{err: newPanicked(recover())}
		}
		if errors.Is(context.Cause(ctx), ErrTimeout) {
			o = outcome{err: timeout{c.opts.Timeout}} // whatever it says: it was too late
		}
		c.finish(r, o)
	}()
	o = outcomeOf(c.checker.Check(ctx))
	returned = true
}

// newPanicked describes what recover returned in a function that did not return.
func newPanicked(v any) *panicked {
	if v == nil {
		return &panicked{what: "it ended its goroutine"}
	}
	p := &panicked{what: fmt.Sprintf("with a %T", v), stack: string(debug.Stack())}
	if r, ok := v.(runtime.Error); ok {
		p.what = r.Error()
	}
	return p
}

func outcomeOf(r Result) outcome {
	o := outcome{err: r.Err, degraded: r.Degraded, reasons: append([]string(nil), r.Reasons...)}
	if len(r.Details) == 0 {
		return o
	}
	text, err := json.Marshal(r.Details)
	switch {
	case err != nil:
		o.reasons = append(o.reasons, "its details can't be written as JSON")
	case len(text) > longestDetails:
		o.reasons = append(o.reasons, "its details are too long")
	default:
		o.details = text
	}
	return o
}
