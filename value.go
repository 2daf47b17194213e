package holdfast

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Value is one typed piece of configuration, made by [Bind]. It always holds a
// value that was validated: the newest accepted one, or the default. It is safe
// for concurrent use.
type Value[T any] struct {
	current atomic.Pointer[T]
	binding *binding
	subs    subscriptions[T]
}

// Get returns the value: one atomic load, whatever the backend does, with no
// error and no allocation. What T points at is shared; never modify it.
func (v *Value[T]) Get() T { return *v.current.Load() }

// OnChange calls f after each change with the value before and the value now.
// Calls of one f come one after another, in a goroutine of their own; changes
// that come while f runs are put together, and f sees the newest: old is always
// what its last call had as now. A panic in f is recovered and recorded. After
// stop returned no new call begins. Close awaits a call that runs, within its
// ctx.
func (v *Value[T]) OnChange(f func(old, now T)) (stop func()) {
	return v.subs.add(v.binding.config, v.binding.path, f, &v.current)
}

// Status says where the value comes from.
func (v *Value[T]) Status() ValueStatus { return v.binding.Status() }

// ValueStatus says where a bound value comes from, and what became of newer
// ones.
type ValueStatus struct {
	// Path is what [Bind] was given.
	Path string
	// Level of the value that Get returns. A value whose newer version was refused
	// keeps its level.
	Level core.Level
	// Revision of the backend that the value was accepted at; "" at Default.
	Revision core.Revision
	// Since is when the value or its level last changed.
	Since time.Time
	// Age is how long ago the value was last known to be what the backend holds: at
	// Live the time since the last heartbeat, 0 at Default, and never negative.
	Age time.Duration
	// Err is why the newest value was refused; nil when the newest value is
	// served. It names the key, never the value.
	Err error
	// Held is true while keys of this value are missing in the backend but held
	// because a list after trouble lacked too many; see [Config.AcceptMissing].
	Held bool
	// Refused counts refusals since the start.
	Refused uint64
}

// BindOptions refine [BindWith]. The zero value is what [Bind] uses.
type BindOptions[T any] struct {
	// Accept is asked before a new value is served and can prove that it works: a
	// new password by logging in with it, say. An error or a panic refuses the
	// value. It is asked again when a newer value comes, never on a timer. Default
	// none.
	Accept func(ctx context.Context, old, new T) error
	// AcceptTimeout bounds ctx of one call of Accept. Default 5 s.
	AcceptTimeout time.Duration
}
