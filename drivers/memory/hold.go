package memory

import (
	"context"
	"slices"

	"github.com/holdfast-go/holdfast/core"
)

// Hold is a set of writes that a [Backend] holds back, to be applied late. It is
// safe for concurrent use.
type Hold struct {
	backend *Backend
	passed  chan struct{}
	writes  []*heldWrite // guarded by Backend.mu
}

type heldWrite struct {
	registration core.Registration
	apply        func() error // called with Backend.mu held
}

// Hold holds back whatever clients write from now on: calls to Register and
// Deregister get no answer until their ctx ends or Pass is called. At most one Hold
// is holding; a second takes its place as Pass would.
func (b *Backend) Hold() *Hold {
	h := &Hold{backend: b, passed: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holding != nil {
		b.holding.pass()
	}
	b.holding = h
	b.holds = append(b.holds, h)
	return h
}

// Pass lets new writes through. What is held back stays so, and the calls that
// wait for it fail with [core.ErrUnavailable]: their outcome is unknown.
func (h *Hold) Pass() {
	h.backend.mu.Lock()
	defer h.backend.mu.Unlock()
	h.pass()
}

func (h *Hold) pass() {
	if h.backend.holding == h {
		h.backend.holding = nil
		close(h.passed)
	}
}

// Release passes, and applies what was held back, in its order, under the rules
// that hold now: a Register fails if a newer owner holds the ID, or if its own
// owner deregistered it meanwhile.
func (h *Hold) Release() {
	h.backend.mu.Lock()
	defer h.backend.mu.Unlock()
	h.pass()
	h.backend.holds = slices.DeleteFunc(h.backend.holds, func(o *Hold) bool { return o == h })
	writes := h.writes
	h.writes = nil
	for _, w := range writes {
		// Nobody waits for the answer any more.
		_ = w.apply()
	}
}

// write sends a write, which may be held back.
func (b *Backend) write(ctx context.Context, op string, reg core.Registration, apply func() error) error {
	var held *Hold
	err := b.call(ctx, op, reg.Instance.ID, writing, func() error {
		if held = b.holding; held == nil {
			return apply()
		}
		held.writes = append(held.writes, &heldWrite{reg, apply})
		return nil
	})
	if held == nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ended(ctx, op, reg.Instance.ID)
	case <-held.passed:
		return failure(op, reg.Instance.ID, core.ErrUnavailable, errUnknown)
	}
}

// fence makes what the owner of a registration wrote before void, wherever it is
// held back. The caller holds b.mu.
func (b *Backend) fence(reg core.Registration) {
	for _, h := range b.holds {
		h.writes = slices.DeleteFunc(h.writes, func(w *heldWrite) bool {
			i := w.registration.Instance
			return i.Service == reg.Instance.Service && i.ID == reg.Instance.ID && w.registration.Owner == reg.Owner
		})
	}
}
