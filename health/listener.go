package health

import (
	"log/slog"
	"slices"
	"sync"
)

// listeners are the functions that are told of changes.
type listeners struct {
	tasks *tasks
	log   *slog.Logger

	mu  sync.Mutex
	all []*listener
}

// listener is one of them. What it was not told yet is kept per check, so that a
// slow one costs no memory and sees the newest state.
type listener struct {
	owner *listeners
	f     func(Change)

	mu      sync.Mutex
	over    bool
	busy    bool     // a goroutine delivers
	pending []Change // at most one per check, in the order in which they first changed
}

func (l *listeners) add(f func(Change)) (stop func()) {
	n := &listener{owner: l, f: f}
	l.mu.Lock()
	l.all = append(l.all, n)
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		l.all = slices.DeleteFunc(l.all, func(o *listener) bool { return o == n })
		l.mu.Unlock()
		n.mu.Lock()
		n.over, n.pending = true, nil
		n.mu.Unlock()
	}
}

// send tells everybody, soon and elsewhere.
func (l *listeners) send(c Change) {
	l.mu.Lock()
	all := slices.Clone(l.all)
	l.mu.Unlock()
	for _, n := range all {
		n.send(c)
	}
}

func (n *listener) send(c Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return
	}
	i := slices.IndexFunc(n.pending, func(p Change) bool { return p.Name() == c.Name() })
	if i < 0 {
		n.pending = append(n.pending, c)
	} else {
		n.pending[i].To = c.To
	}
	if !n.busy {
		n.busy = true
		n.owner.tasks.run("a listener", n.deliver)
	}
}

// deliver calls the function until nothing is left to tell.
func (n *listener) deliver() {
	for {
		n.mu.Lock()
		if len(n.pending) == 0 {
			n.pending, n.busy = nil, false
			n.mu.Unlock()
			return
		}
		c := n.pending[0]
		n.pending = n.pending[1:]
		n.mu.Unlock()
		if c.From.Status == c.To.Status && c.From.Degraded == c.To.Degraded {
			continue // it came back before anybody was told that it had gone
		}
		n.call(c)
	}
}

func (n *listener) call(c Change) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			p := newPanicked(v)
			n.owner.log.Error("holdfast: a listener of health checks failed", "check", c.Name(), "error", p.Error(), "stack", p.stack)
			return
		}
		// It ended its goroutine; what else there is to tell needs another one.
		n.owner.tasks.run("a listener", n.deliver)
	}()
	n.f(c)
	returned = true
}
