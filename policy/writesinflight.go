package policy

import (
	"context"
	"sync"
)

// writesInFlight counts the writes of each instance that a driver still works on.
type writesInFlight struct {
	mu      sync.Mutex
	running map[writeKey]*runningWrites
}

type writeKey struct{ service, id string }

type runningWrites struct {
	n    int
	idle chan struct{} // closed when n is 0 again
}

// callOfWrite is one call of the guard, which a chain may turn into several
// tries.
type callOfWrite struct {
	all  *writesInFlight
	key  writeKey
	over bool // the call has returned: no try may begin any more
}

func (w *writesInFlight) begin(service, id string) *callOfWrite {
	return &callOfWrite{all: w, key: writeKey{service, id}}
}

// end refuses tries that have not begun. Those that have are awaited by whom it
// concerns.
func (c *callOfWrite) end() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.over = true
}

func (c *callOfWrite) enter() bool {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.over {
		return false
	}
	if c.all.running == nil {
		c.all.running = map[writeKey]*runningWrites{}
	}
	r := c.all.running[c.key]
	if r == nil {
		r = &runningWrites{idle: make(chan struct{})}
		c.all.running[c.key] = r
	}
	r.n++
	return true
}

func (c *callOfWrite) leave() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	r := c.all.running[c.key]
	if r.n--; r.n == 0 {
		close(r.idle)
		delete(c.all.running, c.key)
	}
}

// await returns once no write of an instance is under way.
func (w *writesInFlight) await(ctx context.Context, service, id string) error {
	w.mu.Lock()
	r := w.running[writeKey{service, id}]
	w.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
