package holdfast

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// spy is a registry that counts requests and can misbehave.
type spy struct {
	*memory.Registry

	mu         sync.Mutex
	registers  []time.Time
	onRegister func(ctx context.Context, r core.Registration) (err error, handled bool)
	onAwait    func(ctx context.Context, r core.Registration) (err error, handled bool)
	onLeave    func(ctx context.Context, r core.Registration) (err error, handled bool)
	leaves     int
	awaits     int
}

func newSpy(b *memory.Backend) *spy { return &spy{Registry: b.Registry()} }

func (s *spy) Register(ctx context.Context, r core.Registration) error {
	s.mu.Lock()
	s.registers = append(s.registers, time.Now())
	f := s.onRegister
	s.mu.Unlock()
	if f != nil {
		if err, handled := f(ctx, r); handled {
			return err
		}
	}
	return s.Registry.Register(ctx, r)
}

func (s *spy) Deregister(ctx context.Context, r core.Registration) error {
	s.mu.Lock()
	s.leaves++
	f := s.onLeave
	s.mu.Unlock()
	if f != nil {
		if err, handled := f(ctx, r); handled {
			return err
		}
	}
	return s.Registry.Deregister(ctx, r)
}

func (s *spy) AwaitLoss(ctx context.Context, r core.Registration) error {
	s.mu.Lock()
	s.awaits++
	f := s.onAwait
	s.mu.Unlock()
	if f != nil {
		if err, handled := f(ctx, r); handled {
			return err
		}
	}
	return s.Registry.AwaitLoss(ctx, r)
}

// since returns when Register was called after a moment.
func (s *spy) since(t time.Time) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var after []time.Time
	for _, at := range s.registers {
		if at.After(t) {
			after = append(after, at)
		}
	}
	return after
}

func (s *spy) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// deaf is a registry without the ability to tell of a loss.
type deaf struct{ reg core.Registry }

func (d deaf) Origin() string { return d.reg.Origin() }
func (d deaf) Register(ctx context.Context, r core.Registration) error {
	return d.reg.Register(ctx, r)
}
func (d deaf) Deregister(ctx context.Context, r core.Registration) error {
	return d.reg.Deregister(ctx, r)
}
func (d deaf) Discover(ctx context.Context, service string) (core.Snapshot[core.Instance], error) {
	return d.reg.Discover(ctx, service)
}
func (d deaf) Watch(ctx context.Context, service string, after core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return d.reg.Watch(ctx, service, after)
}

var orders = core.Instance{ID: "a", Service: "orders", Endpoints: []string{"http://10.0.0.7:8080"}}

func newBackend(t *testing.T) *memory.Backend {
	b := memory.New(memory.Options{})
	t.Cleanup(b.Close)
	return b
}

// announced starts an announcement that the test's end closes.
func announced(t *testing.T, reg core.Registry, opts AnnounceOptions) *Announcement {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	a, err := Announce(reg, orders, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(context.WithoutCancel(t.Context())) })
	return a
}

// reach waits until a is in a state, and returns how long that took.
func reach(t *testing.T, a *Announcement, want State, within time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := a.WaitState(ctx, want); err != nil {
		t.Fatalf("not %v within %v: %v; status %+v", want, within, err, a.Status())
	}
	return time.Since(start)
}

// visible returns what peers see of the instance.
func visible(t *testing.T, b *memory.Backend) (core.Instance, bool) {
	t.Helper()
	s, err := b.Registry().Discover(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	in, ok := s.Items["a"]
	return in, ok
}

// wantEvents compares the kinds of event recorded.
func wantEvents(t *testing.T, a *Announcement, want ...EventKind) {
	t.Helper()
	events := a.journal.timeline()
	ok := len(events) == len(want)
	for i := range min(len(events), len(want)) {
		ok = ok && events[i].Kind == want[i]
	}
	if !ok {
		t.Errorf("events are %v, want the kinds %v", events, want)
	}
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error is %v, want kind %v", err, kind)
	}
}
