package policy

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// try is one run of the rest of a chain on a goroutine of its own. It belongs to
// its caller until leave, and to nobody afterwards.
type try struct {
	ctx    context.Context
	rest   []step
	runner runner
	strays *strays
	fate   atomic.Uint32
	done   chan struct{} // closed when it has ended

	// Set before done is closed.
	err      error
	panicked *PanicError
	returned bool
}

const (
	running uint32 = iota
	ended
	left
)

// fork makes a try of the rest of a chain. The caller starts run on a goroutine.
func fork(ctx context.Context, rest []step, r runner, s *strays) *try {
	t := r.fork()
	t.ctx, t.rest, t.strays, t.done = ctx, rest, s, make(chan struct{})
	return t
}

func (t *try) run() {
	defer t.end()
	t.err = run(t.ctx, t.rest, t.runner)
	t.returned = true
}

func (t *try) end() {
	if !t.returned {
		if v := recover(); v != nil {
			inner, ok := v.(*PanicError) // of a layer further in, which has the right stack
			if !ok {
				inner = &PanicError{Value: v, Stack: debug.Stack()}
			}
			t.panicked = inner
		}
	}
	if !t.fate.CompareAndSwap(running, ended) {
		t.strays.remove(t.panicked)
	}
	close(t.done)
}

// leave leaves the try to itself. It reports false if it has ended already.
func (t *try) leave() bool {
	t.strays.count.Add(1)
	if t.fate.CompareAndSwap(running, left) {
		return true
	}
	t.strays.count.Add(-1)
	return false
}

// join returns what a try came to, once it is done. It panics or ends the
// goroutine if the function did.
func (t *try) join(r runner) error {
	switch {
	case t.panicked != nil:
		panic(t.panicked)
	case !t.returned:
		runtime.Goexit()
	}
	r.adopt(t.runner)
	return t.err
}

// strays are the tries that a step has left. The zero value is ready.
type strays struct {
	count  atomic.Int64
	panics atomic.Int64
	newest atomic.Pointer[PanicError]
}

// remove notes that one has ended.
func (s *strays) remove(panicked *PanicError) {
	if panicked != nil {
		s.newest.Store(panicked)
		s.panics.Add(1)
	}
	s.count.Add(-1)
}

func (s *strays) describe(l *LayerState) {
	l.Abandoned, l.LatePanics, l.LastPanic = s.count.Load(), s.panics.Load(), s.newest.Load()
}
