package holdfast

import (
	"errors"
	"sync"
	"sync/atomic"
)

// subscriptions are the OnChange functions of one value.
type subscriptions[T any] struct {
	mu  sync.Mutex
	all []*subscription[T]
}

// subscription calls one function, in a goroutine that lives while there is
// something to tell: a slow function delays nobody, and what comes meanwhile is
// put together.
type subscription[T any] struct {
	f       func(old, now T)
	owner   *Config
	path    string
	current *atomic.Pointer[T]

	mu      sync.Mutex
	told    *T
	running bool
	stopped bool
}

func (s *subscriptions[T]) add(c *Config, path string, f func(old, now T), current *atomic.Pointer[T]) (stop func()) {
	sub := &subscription[T]{f: f, owner: c, path: path, current: current}
	s.mu.Lock()
	sub.told = current.Load()
	s.all = append(s.all, sub)
	s.mu.Unlock()
	// A change between the two locks is not lost: tell compares with told.
	sub.tell()
	return func() {
		sub.mu.Lock()
		sub.stopped = true
		sub.mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, o := range s.all {
			if o == sub {
				s.all = append(s.all[:i:i], s.all[i+1:]...)
				return
			}
		}
	}
}

// tell wakes every subscription after a change of the value.
func (s *subscriptions[T]) tell() {
	s.mu.Lock()
	all := s.all
	s.mu.Unlock()
	for _, sub := range all {
		sub.tell()
	}
}

func (s *subscription[T]) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.stopped || s.told == s.current.Load() {
		return
	}
	s.running = s.owner.spawn(s.run)
}

// run calls f until it has seen the newest value.
func (s *subscription[T]) run() {
	for {
		s.mu.Lock()
		old, now := s.told, s.current.Load()
		if s.stopped || old == now || s.owner.ctx.Err() != nil {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.told = now
		s.mu.Unlock()
		s.call(*old, *now)
	}
}

func (s *subscription[T]) call(old, now T) {
	err := shielded("OnChange", func() error { s.f(old, now); return nil })
	if p, ok := errors.AsType[*panicked](err); ok {
		s.owner.jrnl.record(Event{Kind: EventPanic, Part: "config", Key: s.path, Err: err, Detail: "the value is served all the same\n" + p.stack})
	}
}
