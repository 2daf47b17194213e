package holdfast

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestHold_ListAfterTroubleDoesNotEmptyTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c")...)
		d, e := inventory(t, reg, DiscoveryOptions{})
		reg.lose()
		reg.heal()
		wantKnown(t, e, "a b c", "a b c", core.Live)
		if p, err := e.Pick(t.Context()); err != nil {
			t.Errorf("Pick among held instances: %v, %v", p, err)
		}
		s := e.Status().Held[0]
		if s.Until.Sub(s.Since) != 30*time.Second || s.Reason != missingInList {
			t.Errorf("held: %+v, want for 30s, because a list lacks it", s)
		}

		time.Sleep(time.Until(s.Until) - time.Nanosecond)
		synctest.Wait()
		wantKnown(t, e, "a b c", "a b c", core.Live)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantKnown(t, e, "", "", core.Live)
		if c := d.jrnl.count(); c[EventHeld] != 1 || c[EventReleased] != 1 {
			t.Errorf("events of one hold: %v, want one held and one released", c)
		}
	})
}

func TestHold_EndsForWhoReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d")...)
		d, e := inventory(t, reg, DiscoveryOptions{})
		reg.lose()
		reg.heal(peer("a"))
		wantKnown(t, e, "a b c d", "b c d", core.Live)
		time.Sleep(10 * time.Second)
		reg.step(core.Update[core.Instance]{Put: byID(peer("b")), Bad: map[string]error{"c": core.ErrCorrupt}, Revision: "2"})
		wantKnown(t, e, "a b c d", "d", core.Live)
		time.Sleep(time.Hour)
		synctest.Wait()
		wantKnown(t, e, "a b c", "", core.Live)
		events := d.jrnl.timeline()
		last := events[len(events)-1]
		if last.Kind != EventReleased || !strings.Contains(last.Detail, "2 returned, 1 dropped") {
			t.Errorf("last event is %+v, want released with 2 returned and 1 dropped", last)
		}
		reg.lose()
		reg.heal(peers("a b")...)
		wantKnown(t, e, "a b c", "c", core.Live)
	})
}

func TestHold_BelievesThatDrainingAndDownAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"), withStatus(peer("b"), core.StatusDraining), withStatus(peer("c"), core.StatusDown))
		_, e := inventory(t, reg, DiscoveryOptions{})
		wantKnown(t, e, "a b c", "", core.Live)
		reg.lose()
		reg.heal()
		wantKnown(t, e, "a", "a", core.Live)
	})
}

func TestHold_FirstListAtOnceReplacesTheCachedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("c"))
		store := remembering(t, reg.Origin(), time.Now(), peers("a b")...)
		_, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		wantKnown(t, e, "c", "", core.Live)
	})
}

func TestHold_CoversTheCachedSetWhenTheBackendWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		store := remembering(t, reg.Origin(), time.Now(), peers("a b")...)
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		wantKnown(t, e, "a b", "", core.Cached)
		time.Sleep(10 * time.Second)
		reg.heal(peer("c"))
		wantKnown(t, e, "a b c", "a b", core.Live)
		wantLevels(t, d, "empty>cached", "cached>live")
		time.Sleep(time.Minute)
		wantKnown(t, e, "c", "", core.Live)
	})
}

func TestHold_ResetOfAWatchIsAListAfterTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b")...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		reg.step(core.Update[core.Instance]{Reset: true, Put: byID(peer("c")), Revision: "2"})
		wantKnown(t, e, "a b c", "a b", core.Live)
	})
}

func TestHold_BelievesDeletionsButNotOfMostInOneStep(t *testing.T) {
	for _, c := range []struct {
		known, deleted, held int
	}{
		{1, 1, 0}, {2, 2, 0}, {3, 2, 0}, {3, 3, 3}, {4, 2, 0}, {4, 3, 3}, {6, 3, 0}, {10, 5, 0}, {10, 6, 6}, {10, 10, 10},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.deleted, c.known), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all []core.Instance
				var names []string
				for i := range c.known {
					names = append(names, fmt.Sprintf("p%02d", i))
					all = append(all, peer(names[i]))
				}
				reg := newRollcall()
				reg.shows(all...)
				_, e := inventory(t, reg, DiscoveryOptions{})
				reg.step(core.Update[core.Instance]{Delete: names[:c.deleted], Revision: "2"})
				s := e.Status()
				if len(s.Held) != c.held || s.Instances != c.known-c.deleted+c.held {
					t.Errorf("%d known, %d held, want %d and %d", s.Instances, len(s.Held), c.known-c.deleted+c.held, c.held)
				}
				for _, h := range s.Held {
					if h.Reason != massDeletion {
						t.Errorf("reason of %s is %q", h.ID, h.Reason)
					}
				}
			})
		})
	}
}

func TestHold_CountsOnlyWhoIsUpAndPresent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(append(peers("a b c d e f g"), withStatus(peer("x"), core.StatusDraining), withStatus(peer("y"), core.StatusDraining))...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		reg.step(core.Update[core.Instance]{Delete: strings.Fields("a b c x y"), Revision: "2"})
		wantKnown(t, e, "d e f g", "", core.Live)

		reg.lose()
		reg.heal(peers("d e f g h i j")...)
		reg.lose()
		reg.heal(peers("g h i j")...)
		wantKnown(t, e, "d e f g h i j", "d e f", core.Live)
		reg.step(core.Update[core.Instance]{Delete: []string{"d"}, Revision: "3"})
		wantKnown(t, e, "d e f g h i j", "d e f", core.Live)
		// Three of the four that are left are most of them, however many are held.
		reg.step(core.Update[core.Instance]{Delete: strings.Fields("h i j d unknown"), Revision: "3"})
		wantKnown(t, e, "d e f g h i j", "d e f h i j", core.Live)
	})
}

func TestHold_DoesNotCountTimeWithoutABackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b")...)
		_, e := inventory(t, reg, DiscoveryOptions{RecoverySpread: -1})
		reg.lose()
		reg.heal()
		time.Sleep(20 * time.Second)
		reg.lose()
		time.Sleep(10 * time.Minute)
		wantKnown(t, e, "a b", "a b", core.Memory)
		reg.heal()
		wantKnown(t, e, "a b", "a b", core.Live)
		time.Sleep(9 * time.Second)
		wantKnown(t, e, "a b", "a b", core.Live)
		time.Sleep(2 * time.Second)
		wantKnown(t, e, "", "", core.Live)
	})
}

func TestHold_EndsThoughEveryWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b")...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		reg.shows(peer("a"))
		for start := time.Now(); time.Since(start) < 40*time.Second; {
			reg.breaks(errAway)
		}
		wantKnown(t, e, "a", "", core.Memory)
	})
}

func TestHold_CanBeTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d")...)
		_, e := inventory(t, reg, DiscoveryOptions{SuspectFor: -1})
		reg.step(core.Update[core.Instance]{Delete: strings.Fields("a b c"), Revision: "2"})
		wantKnown(t, e, "d", "", core.Live)
		reg.lose()
		reg.heal()
		wantKnown(t, e, "", "", core.Live)
	})
}

// TestHold_Property checks the guard against what it promises, whatever happens:
// nobody who is up is missed before SuspectFor has passed since the backend last
// showed it, unless a step took it that is believed; and nobody haunts.
func TestHold_Property(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { holdProperty(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func holdProperty(t *testing.T, r *rand.Rand) {
	const holdFor = 30 * time.Second
	names := strings.Fields("a b c d e f g h")
	shown := make(map[string]core.Instance)
	some := func() map[string]core.Instance {
		m := make(map[string]core.Instance)
		for _, n := range names {
			if r.IntN(2) == 0 {
				m[n] = peer(n)
			}
		}
		return m
	}
	reg := newRollcall()
	_, e := inventory(t, reg, DiscoveryOptions{SuspectFor: holdFor, RecoverySpread: -1})
	for range 60 {
		before := ids(e.Instances())
		believed := []string(nil)
		switch r.IntN(5) {
		case 0: // an outage, and a list that shows anything
			reg.lose()
			shown = some()
			var all []core.Instance
			for _, in := range shown {
				all = append(all, in)
			}
			reg.heal(all...)
		case 1: // a Reset
			shown = some()
			reg.step(core.Update[core.Instance]{Reset: true, Put: shown, Revision: "2"})
		case 2: // additions
			put := some()
			maps.Copy(shown, put)
			reg.step(core.Update[core.Instance]{Put: put, Revision: "2"})
		case 3: // deletions in one step
			var gone []string
			for _, n := range names {
				if _, ok := shown[n]; ok && r.IntN(2) == 0 {
					gone = append(gone, n)
				}
			}
			if len(gone) < massDeletionMin || 2*len(gone) <= len(shown) {
				believed = gone
			}
			for _, n := range gone {
				delete(shown, n)
			}
			reg.step(core.Update[core.Instance]{Delete: gone, Revision: "2"})
		case 4:
			time.Sleep(holdFor + time.Second)
			synctest.Wait()
			before = ""
			if got := ids(e.Instances()); got != ids(sorted(shown)) {
				t.Fatalf("%q are known long after the last trouble, want %q", got, ids(sorted(shown)))
			}
		}
		known := strings.Fields(ids(e.Instances()))
		for n := range strings.FieldsSeq(before) {
			if !slices.Contains(believed, n) && !slices.Contains(known, n) {
				t.Fatalf("%s left at once: %q before, %q after, believed gone %q", n, before, known, believed)
			}
		}
		for _, n := range known {
			_, there := shown[n]
			if held := slices.Contains(strings.Fields(heldIDs(e)), n); held == there {
				t.Fatalf("%s: shown %v, held %v", n, there, held)
			}
		}
		for n := range shown {
			if !slices.Contains(known, n) {
				t.Fatalf("%s is shown but not known: %q", n, known)
			}
		}
	}
}

func sorted(m map[string]core.Instance) []*core.Instance {
	var all []*core.Instance
	for _, in := range m {
		all = append(all, &in)
	}
	slices.SortFunc(all, func(a, b *core.Instance) int { return strings.Compare(a.ID, b.ID) })
	return all
}
