package holdfast

import "sync"

// broadcast wakes everybody who waits. The zero value is ready. It is safe for
// concurrent use.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{} // nil while nobody waits
}

// next returns a channel that the next send closes. Take it before looking at
// what it announces, or a change in between goes unseen.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

// send wakes all who hold a channel of next. It never blocks.
func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
