package policy_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/internal/memorykit"
	"github.com/holdfast-go/holdfast/policy"
)

// guard is a chain such as somebody would put around a driver. The breaker opens
// only after more calls than a case of the kits makes during one fault: an open
// breaker rightly refuses what the kits then ask of a healed backend.
func guard() *policy.Chain {
	return policy.Must(
		policy.Retry{MaxAttempts: 2, Delay: time.Millisecond},
		policy.Breaker{MinCalls: 1000},
		policy.Timeout{After: time.Second, Abandon: true},
	)
}

func TestRegistry_GuardConforms(t *testing.T) {
	h := memorykit.Registry(false)
	open := h.Open
	h.Open = func(t testing.TB) drivertest.RegistryArea {
		area := open(t)
		client := area.Client
		area.Client = func(t testing.TB) (core.Registry, func()) {
			reg, closeIt := client(t)
			return policy.Registry(reg, guard()), closeIt
		}
		return area
	}
	drivertest.TestRegistry(t, h)
}

func TestConfigSource_GuardConforms(t *testing.T) {
	h := memorykit.Config(false)
	open := h.Open
	h.Open = func(t testing.TB) drivertest.ConfigArea {
		area := open(t)
		client := area.Client
		area.Client = func(t testing.TB) (core.ConfigSource, func()) {
			src, closeIt := client(t)
			return policy.ConfigSource(src, guard()), closeIt
		}
		return area
	}
	drivertest.TestConfigSource(t, h)
}

func TestGuard_ForwardsAbilities(t *testing.T) {
	b := memory.New(memory.Options{})
	defer b.Close()
	reg, src := policy.Registry(b.Registry(), guard()), policy.ConfigSource(b.ConfigSource("/c/"), guard())
	if _, ok := core.As[core.LossAwaiter](reg); !ok {
		t.Error("the registry's LossAwaiter is hidden")
	}
	if _, ok := core.As[core.Comparer](reg); !ok {
		t.Error("the registry's Comparer is hidden")
	}
	if _, ok := core.As[core.Comparer](src); !ok {
		t.Error("the source's Comparer is hidden")
	}
	if reg.Origin() != b.Registry().Origin() || src.Origin() != b.ConfigSource("/c/").Origin() {
		t.Error("a guard changes the Origin, and with it the cache")
	}
}

func TestGuard_OfNothing(t *testing.T) {
	if policy.Registry(nil, guard()) != nil || policy.ConfigSource(nil, guard()) != nil {
		t.Error("a guard around nil is not nil, so that nobody can see the mistake")
	}
	b := memory.New(memory.Options{})
	defer b.Close()
	if reg := b.Registry(); policy.Registry(reg, nil) != reg {
		t.Error("a nil chain wraps")
	}
}

// stubborn is a registry whose Register ignores its ctx until it is let go.
type stubborn struct {
	core.Registry
	entered, letGo chan struct{}
	held           atomic.Bool // the instance is in the registry
	calls          atomic.Int64
	fail           func(call int64) error
}

func (s *stubborn) Register(context.Context, core.Registration) error {
	n := s.calls.Add(1)
	if s.fail != nil {
		if err := s.fail(n); err != nil {
			return err
		}
	}
	if s.entered != nil {
		s.entered <- struct{}{}
		<-s.letGo
	}
	s.held.Store(true)
	return nil
}

func (s *stubborn) Deregister(context.Context, core.Registration) error {
	s.held.Store(false)
	return nil
}

func (s *stubborn) Watch(ctx context.Context, _ string, _ core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return func(yield func(core.Update[core.Instance], error) bool) {
		if _, bounded := ctx.Deadline(); bounded {
			yield(core.Update[core.Instance]{}, errors.New("a watch got a deadline"))
			return
		}
		yield(core.Update[core.Instance]{}, core.ErrUnavailable)
	}
}

var orders1 = core.Registration{Instance: core.Instance{Service: "orders", ID: "1"}, Owner: "a", TTL: time.Minute}

func TestRegistry_GuardAwaitsAbandonedWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &stubborn{entered: make(chan struct{}, 1), letGo: make(chan struct{})}
		reg := policy.Registry(below, policy.Must(policy.Timeout{After: time.Second, Abandon: true}))
		err := reg.Register(t.Context(), orders1)
		if !errors.Is(err, core.ErrUnavailable) {
			t.Fatalf("Register of a registry that hangs: %v", err)
		}
		<-below.entered

		// While the write is under way, Deregister has to wait or say that it can't.
		if err := reg.Deregister(t.Context(), orders1); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Deregister beside a write that may land: %v", err)
		}
		other := orders1
		other.Instance.ID = "2"
		if err := reg.Deregister(t.Context(), other); err != nil {
			t.Errorf("Deregister of another instance: %v", err)
		}
		time.AfterFunc(500*time.Millisecond, func() { close(below.letGo) })
		if err := reg.Deregister(t.Context(), orders1); err != nil {
			t.Errorf("Deregister once the write has ended: %v", err)
		}
		if below.held.Load() {
			t.Error("a late write brought the instance back")
		}
	})
}

func TestRegistry_GuardClassifiesTheCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &stubborn{entered: make(chan struct{}, 1), letGo: make(chan struct{})}
		reg := policy.Registry(below, policy.Must(policy.Timeout{After: time.Minute, Abandon: true}))
		cause := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		err := reg.Register(ctx, orders1)
		if e, ok := errors.AsType[*core.Error](err); !ok || !errors.Is(e.Kind, core.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("a deadline passed: %v", err)
		}
		ctx2, cancel2 := context.WithCancelCause(t.Context())
		cancel2(cause)
		if err := reg.Register(ctx2, orders1); err != cause { //nolint:errorlint // never wrapped
			t.Errorf("the caller's cancel: %v", err)
		}
		close(below.letGo)
	})
}

func TestRegistry_GuardRetriesWhatIsUnavailable(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		calls int64
	}{
		{"unavailable", core.ErrUnavailable, 3},
		{"conflict", core.ErrConflict, 1},
		{"denied", core.ErrDenied, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				below := &stubborn{fail: func(int64) error { return test.err }}
				reg := policy.Registry(below, policy.Must(policy.Retry{}))
				if err := reg.Register(t.Context(), orders1); !errors.Is(err, test.err) {
					t.Errorf("got %v", err)
				}
				if n := below.calls.Load(); n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
			})
		})
	}
}

func TestRegistry_GuardLeavesWatchesAlone(t *testing.T) {
	reg := policy.Registry(&stubborn{}, guard())
	for _, err := range reg.Watch(t.Context(), "orders", "1") {
		if !errors.Is(err, core.ErrUnavailable) {
			t.Error(err)
		}
	}
}
