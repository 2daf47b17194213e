package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// tasks are the goroutines of a set, by what they do. The zero value is ready.
type tasks struct {
	mu   sync.Mutex
	live map[*task]struct{}
}

type task struct {
	name string
	over chan struct{}
}

// run starts a goroutine that is awaited.
func (t *tasks) run(name string, f func()) {
	k := &task{name, make(chan struct{})}
	t.mu.Lock()
	if t.live == nil {
		t.live = make(map[*task]struct{})
	}
	t.live[k] = struct{}{}
	t.mu.Unlock()
	go func() {
		defer func() {
			t.mu.Lock()
			delete(t.live, k)
			t.mu.Unlock()
			close(k.over)
		}()
		f()
	}()
}

// await waits until no goroutine is left. When ctx ends first it names those that
// are.
func (t *tasks) await(ctx context.Context) error {
	for {
		k := t.any()
		if k == nil {
			return nil
		}
		select {
		case <-k.over:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", strings.Join(t.names(), ", "), context.Cause(ctx))
		}
	}
}

func (t *tasks) any() *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.live {
		return k
	}
	return nil
}

func (t *tasks) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for k := range t.live {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
