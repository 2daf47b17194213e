package holdfast

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Picked is an instance chosen for one request. It is a value: it costs no
// allocation, may be copied, and all copies stand for the same request. It is
// safe for concurrent use.
type Picked struct {
	member *member
	began  int64 // by the clock of its Endpoints, where load is weighed; else 0
}

// Instance returns the chosen instance, which is shared by everybody and must
// not be modified; nil for the zero Picked.
func (p Picked) Instance() *core.Instance {
	if p.member == nil {
		return nil
	}
	return p.member.in
}

// Done tells how the request ended: nil, or the error that the instance is to blame
// for. Call it once, when the request is over. Failures in a row eject an instance
// ([EjectionOptions]); [context.Canceled], which is the caller's own wish, counts as
// none. A picker that weighs load counts the request as running until then. It never
// blocks.
func (p Picked) Done(err error) {
	// Small enough to be inlined: most requests end well, on an instance that had none
	// fail.
	if m := p.member; m != nil && (err != nil || p.began != 0 || m.seen.failures.Load() != 0) {
		p.end(err)
	}
}

func (p Picked) end(err error) {
	if p.began != 0 {
		p.answered(err != nil)
	}
	if err != nil {
		p.member.from.blame(p.member.in, p.member.seen, err)
		return
	}
	p.member.seen.failures.Store(0)
}

// answered ends a request whose load is weighed. One that was not timed says nothing
// of the latency, unless it failed.
func (p Picked) answered(failed bool) {
	p.member.seen.running.Add(-1)
	if p.began == untimed && !failed {
		return
	}
	now := p.member.from.clock()
	took := time.Duration(now - p.began)
	if failed && (p.began == untimed || took < failurePenalty) {
		took = failurePenalty
	}
	p.member.seen.took(took, now)
}

// undo takes back that an instance was chosen.
func (p Picked) undo() {
	if p.began != 0 {
		p.member.seen.running.Add(-1)
	}
}

// suits reports whether an instance has an address of a scheme, "" being any, and was
// not tried.
func (p Picked) suits(scheme string, tried []Picked) bool {
	return (scheme == "" || address(p.member.in, scheme) != "") && !p.among(tried)
}

// among reports whether the same instance is among others.
func (p Picked) among(others []Picked) bool {
	for _, o := range others {
		if o.member.seen == p.member.seen {
			return true
		}
	}
	return false
}

// ErrNoInstance is what the error of [Endpoints.Pick] is: no instance is up. It is
// a [core.ErrNotFound] there, and says that it is a service which was not found, not
// what it was to be asked for.
var ErrNoInstance = errors.New("no instance is up")

// noInstance is why Pick has nothing to return. It is made with the roster and
// not by Pick, so that a service without instances costs its callers nothing,
// and it reckons the age when it is read.
type noInstance struct {
	service string
	level   core.Level
	asOf    time.Time
	known   int
	unfit   bool  // some are up, but none that will do
	tried   int   // all of those that are up
	cause   error // nil, or why there will never be one
}

// Error implements error.
func (n *noInstance) Error() string {
	age := since(n.asOf).Round(time.Millisecond)
	switch {
	case n.cause != nil:
		return fmt.Sprintf("endpoints %q: %v: no instance is up (level %v, %v old): %v", n.service, core.ErrNotFound, n.level, age, n.cause)
	case n.tried > 0:
		return fmt.Sprintf("endpoints %q: %v: no instance is left after %d were tried (level %v, %v old)", n.service, core.ErrNotFound, n.tried, n.level, age)
	case n.unfit:
		return fmt.Sprintf("endpoints %q: %v: none of %d instances is up and will do (level %v, %v old)", n.service, core.ErrNotFound, n.known, n.level, age)
	case n.level == core.Empty:
		return fmt.Sprintf("endpoints %q: %v: nothing is known of its instances yet (level %v for %v)", n.service, core.ErrNotFound, n.level, age)
	case n.known == 0:
		return fmt.Sprintf("endpoints %q: %v: no instance is registered (level %v, %v old)", n.service, core.ErrNotFound, n.level, age)
	}
	return fmt.Sprintf("endpoints %q: %v: none of %d instances is up (level %v, %v old)", n.service, core.ErrNotFound, n.known, n.level, age)
}

// Unwrap returns ErrNoInstance, core.ErrNotFound and the cause.
func (n *noInstance) Unwrap() []error {
	if n.cause == nil {
		return []error{ErrNoInstance, core.ErrNotFound}
	}
	return []error{ErrNoInstance, core.ErrNotFound, n.cause}
}
