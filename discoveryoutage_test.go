package holdfast

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// registered is a backend on which instances stand that nothing renews.
func registered(t *testing.T, b *memory.Backend, ids string) {
	t.Helper()
	for _, in := range peers(ids) {
		r := core.Registration{Instance: in, Owner: "1", TTL: 24 * time.Hour}
		if err := b.Registry().Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiscovery_Outages checks the engine against the reference driver: what is
// known during the fault and after it.
func TestDiscovery_Outages(t *testing.T) {
	for name, c := range map[string]struct {
		opts   memory.Options
		fault  func(*testing.T, *memory.Backend)
		during core.Level
		heal   func(*testing.T, *memory.Backend)
		known  string // 3 s after the healing
		held   string
		later  string // a minute after
	}{
		"cut off": {
			fault: func(_ *testing.T, b *memory.Backend) { b.Cut() }, during: core.Memory,
			known: "a b c", later: "a b c",
		},
		"silent": {
			fault: func(_ *testing.T, b *memory.Backend) { b.Silence() }, during: core.Memory,
			known: "a b c", later: "a b c",
		},
		"without quorum": {
			fault: func(_ *testing.T, b *memory.Backend) { b.LoseQuorum() }, during: core.Memory,
			known: "a b c", later: "a b c",
		},
		"deregistered while cut off": {
			fault: func(_ *testing.T, b *memory.Backend) { b.Cut() }, during: core.Memory,
			heal: func(_ *testing.T, b *memory.Backend) {
				b.Revoke("inventory", "a")
				b.Revoke("inventory", "b")
				b.Compact()
			},
			known: "a b c", held: "a b", later: "c",
		},
		"wiped": {
			fault: func(_ *testing.T, b *memory.Backend) { b.Cut(); b.Wipe() }, during: core.Memory,
			known: "a b c", held: "a b c", later: "",
		},
		"wiped, registered again, past the old revision": {
			opts:  memory.Options{PlainRevisions: true},
			fault: func(_ *testing.T, b *memory.Backend) { b.Cut(); b.Wipe(); b.Advance("1000") }, during: core.Memory,
			heal: func(t *testing.T, b *memory.Backend) {
				b.Heal()
				registered(t, b, "b c d")
			},
			known: "a b c d", held: "a", later: "b c d",
		},
		"compacted": {
			fault: func(_ *testing.T, b *memory.Backend) { b.Compact() }, during: core.Live,
			known: "a b c", later: "a b c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(c.opts)
				t.Cleanup(b.Close)
				registered(t, b, "a b c")
				d, e := inventory(t, b.Registry(), DiscoveryOptions{})
				wantKnown(t, e, "a b c", "", core.Live)

				c.fault(t, b)
				for range 60 {
					time.Sleep(time.Second)
					if got := ids(e.Instances()); got != "a b c" {
						t.Fatalf("known during the fault: %q", got)
					}
				}
				wantKnown(t, e, "a b c", "", c.during)

				if c.heal != nil {
					c.heal(t, b)
				}
				b.Heal()
				time.Sleep(3 * time.Second)
				wantKnown(t, e, c.known, c.held, core.Live)
				time.Sleep(time.Minute)
				wantKnown(t, e, c.later, "", core.Live)
				if n := len(levels(d)); n > 3 {
					t.Errorf("one outage made %d changes of level: %q", n, levels(d))
				}

				before := b.Requests()
				time.Sleep(time.Minute)
				if n := b.Requests() - before; n > 40 {
					t.Errorf("%d requests in an idle minute", n)
				}
			})
		})
	}
}

func TestDiscovery_RefusedAndMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{})
		t.Cleanup(b.Close)
		registered(t, b, "a")
		b.PutRaw("inventory", "broken", []byte(`{"id": 7`))
		_, e := inventory(t, b.Registry(), DiscoveryOptions{})
		wantKnown(t, e, "a", "", core.Live)
		if e.Status().Bad["broken"] == nil {
			t.Errorf("bad entries: %v, want one named broken", e.Status().Bad)
		}
		b.Refuse(core.ErrDenied)
		b.Compact()
		b.Cut()
		time.Sleep(10 * time.Second)
		wantKnown(t, e, "a", "", core.Memory)
		b.Heal()
		time.Sleep(61 * time.Second)
		wantKnown(t, e, "a", "", core.Live)
	})
}

// TestDiscovery_RestartsWithoutABackend is the cold start: what one process knew
// the next one serves, until the backend is back.
func TestDiscovery_RestartsWithoutABackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{})
		t.Cleanup(b.Close)
		registered(t, b, "a b c")
		store := &noted{}
		first, _ := inventory(t, b.Registry(), DiscoveryOptions{Cache: store})
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}

		b.Cut()
		start := time.Now()
		_, e := inventory(t, b.Registry(), DiscoveryOptions{Cache: store})
		wantKnown(t, e, "a b c", "", core.Cached)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("served from the cache after %v", took)
		}
		if err := e.Status().Err; !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Err is %v, want why the backend is away", err)
		}

		b.Wipe()
		time.Sleep(30 * time.Second)
		b.Heal()
		time.Sleep(2 * time.Second)
		wantKnown(t, e, "a b c", "a b c", core.Live)
		registered(t, b, "a c")
		time.Sleep(time.Minute)
		wantKnown(t, e, "a c", "", core.Live)
	})
}
