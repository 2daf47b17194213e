package drivertest_test

import (
	"context"
	"errors"
	"maps"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/internal/memorykit"
)

// registryHarness is that of the memory backend with each client broken by f.
func registryHarness(f func(area drivertest.RegistryArea, r *brokenRegistry)) drivertest.RegistryHarness {
	h := memorykit.Registry(false)
	h.Patience = time.Second
	open := h.Open
	h.Open = func(t testing.TB) drivertest.RegistryArea {
		area := open(t)
		client := area.Client
		area.Client = func(t testing.TB) (core.Registry, func()) {
			good, stop := client(t)
			r := &brokenRegistry{Registry: good, over: t.Context().Done()}
			f(area, r)
			return r, stop
		}
		return area
	}
	return h
}

// once remembers what was registered through it.
type once struct {
	mu   sync.Mutex
	seen map[string]core.Registration
}

func (o *once) swap(reg core.Registration) (core.Registration, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]core.Registration{}
	}
	key := reg.Instance.Service + "\x00" + reg.Instance.ID
	old, ok := o.seen[key]
	o.seen[key] = reg
	return old, ok
}

// TestRegistry_CatchesBrokenDrivers runs single cases on drivers that break one
// promise each.
func TestRegistry_CatchesBrokenDrivers(t *testing.T) {
	proven := map[string]bool{}
	for _, row := range []struct {
		broken string
		cases  []string
		by     func(area drivertest.RegistryArea, r *brokenRegistry)
	}{
		{"forgets the metadata", []string{"RegisterIsVisible"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.Instance.Metadata = nil
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"registers by removing first", []string{"RegisterIsIdempotent"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				if err := r.Registry.Deregister(ctx, reg); err != nil {
					return err
				}
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"merges metadata", []string{"RegisterReplacesAll"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			var before once
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.Instance = reg.Instance.Clone()
				if old, ok := before.swap(reg); ok && reg.Instance.Metadata != nil {
					maps.Copy(reg.Instance.Metadata, old.Instance.Metadata)
				}
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"never lets go", []string{"RegistrationExpires"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.TTL += time.Hour
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"lets go too early", []string{"RegistrationExpires"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.TTL /= 3
				return r.Registry.Register(ctx, reg)
			}
		}},
		{
			"does nothing the second time", []string{"RefreshKeepsRegistration", "RegisterAfterRemoval"},
			func(_ drivertest.RegistryArea, r *brokenRegistry) {
				var before once
				r.register = func(ctx context.Context, reg core.Registration) error {
					if old, ok := before.swap(reg); ok && old.Instance.Equal(reg.Instance) {
						return nil
					}
					return r.Registry.Register(ctx, reg)
				}
			},
		},
		{"makes something of nothing", []string{"InvalidIsInvalid"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.TTL = max(reg.TTL, time.Second)
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"wraps the caller's cause", []string{"WritesReturnTheCause", "LossEndsWithTheCause"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error { return wrap(r.Registry.Register(ctx, reg)) }
			r.awaitLoss = func(ctx context.Context, reg core.Registration) error {
				return wrap(r.Registry.(core.LossAwaiter).AwaitLoss(ctx, reg))
			}
		}},
		{"pretends to have written", []string{"WritesFailWhenCut"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				if err := r.Registry.Register(ctx, reg); !errors.Is(err, core.ErrUnavailable) {
					return err
				}
				return nil
			}
		}},
		{"has deadlines of its own", []string{"WritesKeepTheirDeadlineWhenSilent"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.deregister = func(ctx context.Context, reg core.Registration) error {
				own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				defer cancel()
				return r.Registry.Deregister(own, reg)
			}
		}},
		{"takes a refusal for an outage", []string{"WritesAreDenied"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				err := r.Registry.Register(ctx, reg)
				if errors.Is(err, core.ErrDenied) {
					err = core.ErrUnavailable
				}
				return err
			}
		}},
		{"ignores owners", []string{"NewestOwnerWins", "LateWriteAfterTakeover"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.Owner = "anybody"
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"is not found twice", []string{"DeregisterIsIdempotent"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.deregister = func(ctx context.Context, reg core.Registration) error {
				snap, err := r.Registry.Discover(ctx, reg.Instance.Service)
				if _, ok := snap.Items[reg.Instance.ID]; err == nil && !ok {
					return core.ErrNotFound
				}
				return r.Registry.Deregister(ctx, reg)
			}
		}},
		{
			"deletes the key and no more", []string{"DeregisterRemovesOnlyItsOwn", "LateWriteAfterDeregister"},
			func(area drivertest.RegistryArea, r *brokenRegistry) {
				r.deregister = func(_ context.Context, reg core.Registration) error {
					area.Remove(nil, reg.Instance.Service, reg.Instance.ID)
					return nil
				}
			},
		},
		{
			"never sees a loss",
			[]string{"LossOfWhatIsNotThere", "LossByRemoval", "LossByRevocation", "LossByTakeover", "LossWhenCut", "LossWhenSilent"},
			func(_ drivertest.RegistryArea, r *brokenRegistry) {
				r.awaitLoss = func(ctx context.Context, _ core.Registration) error {
					<-ctx.Done()
					return context.Cause(ctx)
				}
			},
		},
		{"leaves a goroutine behind", []string{"LossEndsWithTheCause"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.awaitLoss = func(ctx context.Context, reg core.Registration) error {
				go func() { <-r.over }()
				return r.Registry.(core.LossAwaiter).AwaitLoss(ctx, reg)
			}
		}},
		{"takes anything for a loss", []string{"LossByRemoval", "LossWhenCut"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.awaitLoss = func(context.Context, core.Registration) error { return core.ErrNotFound }
		}},
		{"does not find what is empty", []string{"DiscoverOfNothing"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.discover = func(ctx context.Context, service string) (instanceSnap, error) {
				snap, err := r.Registry.Discover(ctx, service)
				if err == nil && len(snap.Items)+len(snap.Bad) == 0 {
					err = core.ErrNotFound
				}
				return snap, err
			}
		}},
		{"takes a prefix for a service", []string{"ServiceNeighbours"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.discover = func(ctx context.Context, service string) (instanceSnap, error) {
				snap, err := r.Registry.Discover(ctx, service)
				below, _ := r.Registry.Discover(ctx, service+"/bar")
				for id, i := range below.Items {
					snap.Items["bar/"+id] = i
				}
				return snap, err
			}
		}},
		{"gives up at the first bad entry", []string{"MalformedNeighbour"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.discover = func(ctx context.Context, service string) (instanceSnap, error) {
				snap, err := r.Registry.Discover(ctx, service)
				if len(snap.Bad) > 0 {
					err = core.ErrCorrupt
				}
				return snap, err
			}
		}},
		{"hides bad entries", []string{"MalformedNeighbour"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.discover = func(ctx context.Context, service string) (instanceSnap, error) {
				snap, err := r.Registry.Discover(ctx, service)
				snap.Bad = nil
				return snap, err
			}
		}},
		{"cleans names as paths", []string{"AnyTextIsAName"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.register = func(ctx context.Context, reg core.Registration) error {
				reg.Instance.ID = path.Clean(reg.Instance.ID)
				return r.Registry.Register(ctx, reg)
			}
		}},
		{"reads one page", []string{"ManyInstances"}, func(_ drivertest.RegistryArea, r *brokenRegistry) {
			r.discover = func(ctx context.Context, service string) (instanceSnap, error) {
				snap, err := r.Registry.Discover(ctx, service)
				maps.DeleteFunc(snap.Items, func(id string, _ core.Instance) bool { return strings.HasPrefix(id, "i-004") })
				return snap, err
			}
		}},
	} {
		for _, name := range row.cases {
			proven[name] = true
			t.Run(row.broken+"/"+name, func(t *testing.T) {
				caught(t, drivertest.RunRegistry(t, name, registryHarness(row.by)))
			})
		}
	}
	// The rest is the very same code for both kinds of driver.
	for _, name := range drivertest.ConfigCases() {
		proven[name] = true
	}
	everyCaseIsProven(t, proven, drivertest.RegistryCases()...)
}
