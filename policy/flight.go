package policy

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/holdfast-go/holdfast/core"
)

// flights lets callers that ask for the same key at the same time share one
// call. golang.org/x/sync/singleflight does not fit: its call ends with the first
// caller's ctx or with none, and a panic in DoChan takes the process down.
type flights[K comparable, V any] struct {
	mu      sync.Mutex
	closed  bool
	open    map[K]*flight[V] // what a caller may join
	running map[*flight[V]]struct{}
}

// flight is one call. What it ended with is written before done is closed.
type flight[V any] struct {
	waiting int // callers; guarded by flights.mu
	cancel  context.CancelCauseFunc
	done    chan struct{}

	value    V
	err      error
	panicked *PanicError
	exited   bool // by runtime.Goexit
}

// join awaits the call for key, and begins it if there is none. The call goes on
// while anybody waits for it: a caller whose ctx ends leaves, and the last one to
// leave ends the call. finish gets what the call returned before any caller does,
// and nothing if no caller waits any more.
func (g *flights[K, V]) join(ctx context.Context, key K, call func(context.Context, K) (V, error), finish func(K, V, error)) (V, error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		var zero V
		return zero, errFallbackClosed
	}
	fl := g.open[key]
	if fl == nil {
		fl = g.take(ctx, key, call, finish)
	}
	fl.waiting++
	g.mu.Unlock()

	select {
	case <-fl.done:
		return fl.land()
	case <-ctx.Done():
	}
	g.leave(ctx, key, fl)
	var zero V
	return zero, late(ctx)
}

// take begins a call. The caller holds g.mu.
func (g *flights[K, V]) take(ctx context.Context, key K, call func(context.Context, K) (V, error), finish func(K, V, error)) *flight[V] {
	shared, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	fl := &flight[V]{cancel: cancel, done: make(chan struct{})}
	if g.open == nil {
		g.open, g.running = make(map[K]*flight[V]), make(map[*flight[V]]struct{})
	}
	if same(key, key) { // NaN is no key that could be found again
		g.open[key] = fl
	}
	g.running[fl] = struct{}{}
	go g.run(shared, key, fl, call, finish)
	return fl
}

func same[K comparable](a, b K) bool { return a == b }

func (g *flights[K, V]) run(ctx context.Context, key K, fl *flight[V], call func(context.Context, K) (V, error), finish func(K, V, error)) {
	returned := false
	defer func() {
		if !returned {
			if r := recover(); r != nil {
				fl.panicked = asPanicError(r)
			} else {
				fl.exited = true
			}
		}
		g.mu.Lock()
		g.part(key, fl)
		delete(g.running, fl)
		g.mu.Unlock()
		fl.cancel(nil)
		close(fl.done)
	}()
	fl.value, fl.err = call(ctx, key)
	g.mu.Lock()
	wanted := fl.waiting > 0
	g.mu.Unlock()
	if wanted {
		// A call that everybody left may end after a newer one for the same key.
		finish(key, fl.value, fl.err)
	}
	returned = true
}

// land is what a caller gets who stayed until the end.
func (fl *flight[V]) land() (V, error) {
	switch {
	case fl.panicked != nil:
		panic(fl.panicked)
	case fl.exited:
		runtime.Goexit()
	}
	return fl.value, fl.err
}

func asPanicError(r any) *PanicError {
	if p, ok := r.(*PanicError); ok {
		return p // from a goroutine of a layer
	}
	return &PanicError{Value: r, Stack: debug.Stack()}
}

// leave counts a caller out, and ends the call after the last one.
func (g *flights[K, V]) leave(ctx context.Context, key K, fl *flight[V]) {
	g.mu.Lock()
	fl.waiting--
	last := fl.waiting == 0
	if last {
		g.part(key, fl)
	}
	g.mu.Unlock()
	if last {
		fl.cancel(context.Cause(ctx))
	}
}

// part makes sure that nobody joins fl any more. The caller holds g.mu.
func (g *flights[K, V]) part(key K, fl *flight[V]) {
	if g.open[key] == fl {
		delete(g.open, key)
	}
}

func (g *flights[K, V]) ended() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// close ends all calls and awaits them.
func (g *flights[K, V]) close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	running := maps.Clone(g.running)
	g.mu.Unlock()
	for fl := range running {
		fl.cancel(errFallbackClosed)
	}
	for fl := range running {
		select {
		case <-fl.done:
		case <-ctx.Done():
			return fmt.Errorf("policy: fallback: a call goes on although its ctx ended: %w", context.Cause(ctx))
		}
	}
	return nil
}

var errFallbackClosed = fmt.Errorf("policy: fallback: %w", core.ErrClosed)
