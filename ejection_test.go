package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// sickbed is a Probe that says who lives.
type sickbed struct {
	mu     sync.Mutex
	sick   map[string]bool
	probes map[string]int
}

func (s *sickbed) set(sick bool, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sick == nil {
		s.sick, s.probes = make(map[string]bool), make(map[string]int)
	}
	for _, id := range ids {
		s.sick[id] = sick
	}
}

func (s *sickbed) probe(_ context.Context, in *core.Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes[in.ID]++
	if s.sick[in.ID] {
		return errAway
	}
	return nil
}

func (s *sickbed) asked(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probes[id]
}

// fail lets an instance fail so often in a row.
func fail(t *testing.T, e *Endpoints, id string, times int) {
	t.Helper()
	r := e.roster.Load()
	m := r.up.find(id)
	if m == nil {
		t.Fatalf("%s is not up", id)
	}
	for range times {
		Picked{member: m}.Done(errAway)
	}
}

// picks returns who is picked in many picks.
func picks(t *testing.T, e *Endpoints) string {
	t.Helper()
	seen := make(map[string]core.Instance)
	for range 100 {
		p, err := e.Pick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[p.Instance().ID] = *p.Instance()
	}
	var all []*core.Instance
	for _, in := range e.Instances() {
		if _, ok := seen[in.ID]; ok {
			all = append(all, in)
		}
	}
	return ids(all)
}

func wantPicks(t *testing.T, e *Endpoints, want string) {
	t.Helper()
	if got := picks(t, e); got != want {
		t.Errorf("picks are %q, want %q", got, want)
	}
}

func TestEjection_AfterFailuresInARowUntilAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d")...)
		var bed sickbed
		bed.set(true, "b")
		d, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe})
		fail(t, e, "b", 4)
		wantPicks(t, e, "a b c d")
		p, _ := e.Pick(t.Context())
		for p.Instance().ID != "b" {
			p, _ = e.Pick(t.Context())
		}
		p.Done(nil)
		fail(t, e, "b", 4)
		wantPicks(t, e, "a b c d") // a success in between begins a new count
		fail(t, e, "b", 1)
		wantPicks(t, e, "a c d")
		out := e.Status().Ejected
		if len(out) != 1 || out[0].ID != "b" || out[0].Times != 1 || !errors.Is(out[0].Err, errAway) || e.Status().Up != 4 {
			t.Fatalf("status: %+v", e.Status())
		}
		began := time.Now()
		// 1 s, 2 s, 4 s, each +-10 %.
		time.Sleep(7 * time.Second * 11 / 10)
		synctest.Wait()
		if n := bed.asked("b"); n != 3 {
			t.Errorf("%d probes in %v; want 3, each later than the one before", n, time.Since(began))
		}
		wantPicks(t, e, "a c d")
		bed.set(false, "b")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		wantPicks(t, e, "a b c d")
		if len(e.Status().Ejected) != 0 {
			t.Errorf("still ejected: %+v", e.Status().Ejected)
		}
		// One more failure is enough, and it lasts longer than before.
		fail(t, e, "b", 1)
		wantPicks(t, e, "a c d")
		if out := e.Status().Ejected; len(out) != 1 || out[0].Times != 5 || out[0].Until.Sub(out[0].Since) < 14*time.Second {
			t.Errorf("ejected again: %+v", out)
		}
		// Long after, it is as if nothing had been.
		time.Sleep(20 * time.Second)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		fail(t, e, "b", 1)
		if out := e.Status().Ejected; len(out) != 1 || out[0].Times != 1 {
			t.Errorf("ejected after a long time: %+v", out)
		}
		if c := d.jrnl.count(); c[EventEjected] != 3 || c[EventReturned] != 2 {
			t.Errorf("events: %v", c)
		}
	})
}

func TestEjection_OfAtMostHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d e")...)
		var bed sickbed
		bed.set(true, "a", "b", "c", "d", "e")
		_, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe})
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			fail(t, e, id, 50)
		}
		wantPicks(t, e, "c d e")
		// Others go, and those that are left would be too few.
		reg.step(core.Update[core.Instance]{Delete: []string{"c"}, Revision: "2"})
		synctest.Wait()
		wantPicks(t, e, "d e")
		reg.step(core.Update[core.Instance]{Delete: []string{"d"}, Revision: "3"})
		synctest.Wait()
		wantPicks(t, e, "a b e")
		if n := len(e.Status().Ejected); n != 2 {
			t.Errorf("%d are ejected; want 2, ignored while they are most", n)
		}
		reg.step(core.Update[core.Instance]{Put: byID(peer("f")), Revision: "4"})
		synctest.Wait()
		wantPicks(t, e, "e f")
		// Who goes is forgotten, and comes back as somebody new.
		reg.step(core.Update[core.Instance]{Delete: []string{"a"}, Revision: "5"})
		reg.step(core.Update[core.Instance]{Put: byID(peer("a")), Revision: "6"})
		synctest.Wait()
		wantPicks(t, e, "a e f")
	})
}

func TestEjection_CountsNoCancelledRequestsAndCanBeTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c")...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		for range 100 {
			p, _ := e.Pick(t.Context())
			p.Done(fmt.Errorf("get: %w", context.Canceled))
		}
		wantPicks(t, e, "a b c")
		_, off := inventory(t, reg, DiscoveryOptions{Ejection: EjectionOptions{Failures: -1}})
		fail(t, off, "a", 100)
		wantPicks(t, off, "a b c")
	})
}

// Whatever happens at once, nothing is left behind, and pickers follow.
func TestEjection_AtOnce(t *testing.T) {
	reg := newRollcall()
	reg.shows(peers("a b c d e f g h")...)
	var bed sickbed
	bed.set(false, "a")
	d, err := OpenDiscovery(reg, DiscoveryOptions{
		Probe: bed.probe, Logger: slog.New(slog.DiscardHandler),
		Ejection: EjectionOptions{Failures: 1, Time: time.Millisecond, Longest: 4 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := d.Endpoints("inventory")
	p := picker(t, e, PickerOptions{Strategy: LeastLoaded})
	if err := e.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 2000 {
				got, err := p.Pick(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				err = nil
				if (i+j)%3 == 0 {
					err = errAway
				}
				got.Done(err)
			}
		})
	}
	wg.Wait()
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, m := range e.roster.Load().whole.members {
		if n := m.seen.running.Load(); n != 0 {
			t.Errorf("%d requests still count as running", n)
		}
	}
}

func TestEjection_AnInstanceThatMovedIsProbedWhereItIsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		at := func(id, endpoint string) core.Instance {
			return core.Instance{ID: id, Service: "inventory", Endpoints: []string{endpoint}}
		}
		reg.shows(at("a", "http://old:1"), at("b", "http://b:1"), at("c", "http://c:1"))
		_, e := inventory(t, reg, DiscoveryOptions{Probe: func(_ context.Context, in *core.Instance) error {
			if in.Endpoints[0] == "http://old:1" {
				return errAway
			}
			return nil
		}})
		fail(t, e, "a", 5)
		wantPicks(t, e, "b c")
		reg.step(core.Update[core.Instance]{Revision: "2", Put: map[string]core.Instance{"a": at("a", "http://new:1")}})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		wantPicks(t, e, "a b c")
	})
}

func TestEjection_OfAnyLengthEndsLater(t *testing.T) {
	for _, d := range []time.Duration{1, time.Second, 100 * 365 * 24 * time.Hour, 1<<63 - 1} {
		o := EjectionOptions{Time: d}.withDefaults()
		for times := range 5 {
			if got := o.lasts(times + 1); got < d/10*9 || got < 0 {
				t.Errorf("ejection %d of %v lasts %v", times+1, d, got)
			}
		}
	}
}
