package policy

import "time"

// refusal is the ErrOpen or ErrLimited of a layer that knows when a call may pass
// again. One serves for many calls: a refusal costs no allocation.
type refusal struct {
	kind  error
	until time.Time     // zero if after says it
	after time.Duration // from the moment of the refusal
}

func (r *refusal) Error() string { return r.kind.Error() }
func (r *refusal) Unwrap() error { return r.kind }

// RetryAfter says how long it takes until a call may pass; 0 if it may now.
func (r *refusal) RetryAfter() time.Duration {
	if r.until.IsZero() {
		return r.after
	}
	return max(0, time.Until(r.until))
}
