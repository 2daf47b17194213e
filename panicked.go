package holdfast

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/holdfast-go/holdfast/core"
)

// panicked is the error that a panic of somebody else's function becomes. Its
// text does not quote what it panicked with, which may hold a value.
type panicked struct {
	where string
	what  string
	stack string
}

func (p *panicked) Error() string { return p.where + " panicked: " + p.what }

// newPanicked describes what recover returned.
func newPanicked(where string, r any) *panicked {
	p := &panicked{where: where, what: fmt.Sprintf("with a %T", r), stack: string(debug.Stack())}
	if r, ok := r.(runtime.Error); ok {
		p.what = r.Error()
	}
	return p
}

// shielded runs f and turns its panic into an error.
func shielded(where string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = newPanicked(where, r)
		}
	}()
	return f()
}

// recoverDriver, deferred, turns a panic of a driver or a store into an error
// after which it is tried again.
func recoverDriver(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %w", core.ErrUnavailable, newPanicked("the driver", r))
	}
}
