package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestGuard_SuspectsThatDontAnswerTwiceGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d e f")...)
		var bed sickbed
		bed.set(true, "b", "d", "e")
		bed.set(false, "c")
		d, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe, SuspectFor: 10 * time.Minute})
		reg.step(core.Update[core.Instance]{Delete: strings.Fields("b c d e"), Revision: "2"})
		wantKnown(t, e, "a b c d e f", "b c d e", core.Live)
		bed.set(false, "e") // it was only slow to come up
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantKnown(t, e, "a c e f", "c e", core.Live)
		if n := bed.asked("b"); n != 2 {
			t.Errorf("b was asked %d times; want 2", n)
		}
		held := e.Status().Held[0]
		if held.ID != "c" || held.Answered.IsZero() || held.Err != nil || held.Reason != massDeletion {
			t.Errorf("held: %+v", held)
		}

		bed.set(true, "e") // it dies later
		time.Sleep(20 * time.Second)
		synctest.Wait()
		wantKnown(t, e, "a c f", "c", core.Live)

		time.Sleep(10 * time.Minute)
		synctest.Wait()
		wantKnown(t, e, "a f", "", core.Live)
		if n := bed.asked("c"); n < 40 || n > 90 {
			t.Errorf("c was asked %d times in 10 min; want about 60", n)
		}
		events := d.jrnl.timeline()
		if last := events[len(events)-1]; last.Kind != EventReleased || !strings.Contains(last.Detail, "0 returned, 4 dropped, 3 of them because they did not answer") {
			t.Errorf("the last event is %+v", last)
		}
	})
}

// What keeps this process from the backend may keep it from its peers as well.
func TestGuard_AsksNobodyWhileTheBackendCantBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c")...)
		var bed sickbed
		bed.set(false, "a")
		_, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe, SuspectFor: time.Minute, RecoverySpread: -1})
		reg.lose()
		reg.heal()
		wantKnown(t, e, "a b c", "a b c", core.Live)
		reg.lose()
		asked := bed.asked("a")
		bed.set(true, "a", "b", "c")
		time.Sleep(time.Hour)
		synctest.Wait()
		wantKnown(t, e, "a b c", "a b c", core.Memory)
		if n := bed.asked("a"); n != asked {
			t.Errorf("a was asked %d times meanwhile", n-asked)
		}
		reg.heal()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		wantKnown(t, e, "", "", core.Live)
	})
}

// Leases end one by one; together they empty a service all the same.
func TestGuard_DoubtsManyStepsThatTakeMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d e f g h")...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		for i, id := range strings.Fields("a b c d e f") {
			reg.step(core.Update[core.Instance]{Delete: []string{id}, Revision: core.Revision(fmt.Sprint(i + 2))})
			time.Sleep(time.Second)
		}
		wantKnown(t, e, "e f g h", "e f", core.Live)
		// With time in between it is scaling.
		reg = newRollcall()
		reg.shows(peers("a b c d e f g h")...)
		_, e = inventory(t, reg, DiscoveryOptions{})
		for i, id := range strings.Fields("a b c d e f") {
			reg.step(core.Update[core.Instance]{Delete: []string{id}, Revision: core.Revision(fmt.Sprint(i + 2))})
			time.Sleep(6 * time.Second)
		}
		wantKnown(t, e, "g h", "", core.Live)
	})
}

func TestGuard_AnOperatorAcceptsOrHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c d")...)
		var bed sickbed
		bed.set(true, "b", "c", "d")
		_, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe, SuspectFor: time.Minute})
		e.HoldMissing(time.Hour)
		reg.step(core.Update[core.Instance]{Delete: []string{"b"}, Revision: "2"})
		reg.step(core.Update[core.Instance]{Put: byID(withStatus(peer("c"), core.StatusDraining)), Revision: "3"})
		reg.step(core.Update[core.Instance]{Delete: []string{"c"}, Revision: "4"})
		reg.lose()
		reg.heal(peer("a"))
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		wantKnown(t, e, "a b d", "b d", core.Live)
		if s := e.Status().Held; s[0].Reason != operatorHolds || s[0].Err == nil {
			t.Errorf("held: %+v", s[0])
		}
		if n := e.AcceptMissing(); n != 2 {
			t.Errorf("%d were given up; want 2", n)
		}
		wantKnown(t, e, "a", "", core.Live)

		reg.lose()
		reg.heal()
		e.HoldMissing(time.Hour)
		time.Sleep(2 * time.Minute)
		wantKnown(t, e, "a", "a", core.Live)
		e.HoldMissing(0)
		synctest.Wait()
		wantKnown(t, e, "", "", core.Live)
		if n := e.AcceptMissing(); n != 0 {
			t.Errorf("%d were given up; want none", n)
		}
	})
	idle := idleEndpoints("x", "", errNoRegistry)
	idle.HoldMissing(time.Hour)
	if n := idle.AcceptMissing(); n != 0 {
		t.Errorf("a handle that knows nothing gave up %d", n)
	}
}

func TestGuard_CachedInstancesThatDontAnswerComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		var bed sickbed
		bed.set(true, "a", "b", "c")
		store := remembering(t, reg.Origin(), time.Now(), peers("a b c d")...)
		_, e := inventory(t, reg, DiscoveryOptions{Cache: store, Probe: bed.probe})
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		wantKnown(t, e, "a b c d", "", core.Cached)
		wantPicks(t, e, "d")
		bed.set(true, "d")
		fail(t, e, "d", 5)
		bed.set(false, "b")
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		wantPicks(t, e, "b")
		bed.set(true, "b")
		fail(t, e, "b", 5)
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		wantPicks(t, e, "a b c d") // better a dead one than an error, it may be the probe that is wrong
	})
}

// TestGuard_Property checks that whoever answers is kept while the guard doubts, and
// whoever does not is gone within five seconds, whatever happens.
func TestGuard_Property(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { guardProperty(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func guardProperty(t *testing.T, r *rand.Rand) {
	const suspectFor = 2 * time.Minute
	names := strings.Fields("a b c d e f g h i j")
	var bed sickbed
	bed.set(false, names...)
	reg := newRollcall()
	shown := byID(peers("a b c d e f g h i j")...)
	reg.shows(peers("a b c d e f g h i j")...)
	_, e := inventory(t, reg, DiscoveryOptions{Probe: bed.probe, SuspectFor: suspectFor, RecoverySpread: -1})
	missing := make(map[string]time.Time) // since when the backend lacks who was held, at most 20 s late
	note := func() {
		held := strings.Fields(heldIDs(e))
		for _, id := range held {
			if _, ok := missing[id]; !ok {
				missing[id] = time.Now()
			}
		}
		for id := range missing {
			if _, ok := shown[id]; ok || !slices.Contains(held, id) {
				delete(missing, id)
			}
		}
	}
	sick := make(map[string]bool)
	for range 80 {
		before := make(map[string]bool)
		for id := range strings.FieldsSeq(heldIDs(e)) {
			before[id] = true
		}
		began := time.Now()
		switch r.IntN(5) {
		case 0, 1: // a list after trouble
			shown = make(map[string]core.Instance)
			var all []core.Instance
			for _, id := range names {
				if r.IntN(3) > 0 {
					shown[id] = peer(id)
					all = append(all, peer(id))
				}
			}
			reg.lose()
			reg.heal(all...)
		case 2: // most go in one step
			var gone []string
			for id := range shown {
				if r.IntN(4) > 0 {
					gone = append(gone, id)
				}
			}
			for _, id := range gone {
				delete(shown, id)
			}
			reg.step(core.Update[core.Instance]{Delete: gone, Revision: "2"})
		case 3:
			id := names[r.IntN(len(names))]
			sick[id] = r.IntN(2) == 0
			bed.set(sick[id], id)
		case 4:
			time.Sleep(time.Duration(r.IntN(60)) * time.Second)
			synctest.Wait()
		}
		// Long enough for a probe of the living now and then, and two more.
		if r.IntN(3) == 0 {
			time.Sleep(15 * time.Second)
			synctest.Wait()
			for id := range strings.FieldsSeq(heldIDs(e)) {
				if sick[id] {
					t.Fatalf("%s does not answer and is still held", id)
				}
			}
		}
		for id := range before {
			_, back := shown[id]
			since := missing[id]
			if !back && !sick[id] && time.Since(since) < suspectFor-20*time.Second && !slices.Contains(strings.Fields(heldIDs(e)), id) {
				t.Fatalf("%s answers, is missed since %v and is gone (step took %v)", id, time.Since(since), time.Since(began))
			}
		}
		for id := range shown {
			if e.roster.Load().find(id) == nil {
				t.Fatalf("%s is shown and not known", id)
			}
		}
		note()
		for id, since := range missing {
			if time.Since(since) > suspectFor+time.Second {
				t.Fatalf("%s haunts since %v", id, time.Since(since))
			}
		}
	}
}

func TestGuard_AnOperatorAfterTheEndStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b c")...)
		d, e := inventory(t, reg, DiscoveryOptions{RecoverySpread: -1, Probe: func(ctx context.Context, _ *core.Instance) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		reg.lose()
		reg.heal()
		time.Sleep(600 * time.Millisecond) // they are being asked
		synctest.Wait()
		if heldIDs(e) == "" {
			t.Fatal("nobody is held")
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.engine.spawn = func(func()) { t.Error("a goroutine is started after Close") }
		e.HoldMissing(time.Minute)
	})
}

func TestConnect_KnowsThePortsOfSchemes(t *testing.T) {
	for endpoint, want := range map[string]error{
		"http://127.0.0.77":   core.ErrUnavailable, // nobody listens there
		"https://127.0.0.77":  core.ErrUnavailable,
		"http://127.0.0.77:1": core.ErrUnavailable,
		"grpc://127.0.0.77":   core.ErrInvalid,
		"127.0.0.77":          core.ErrInvalid,
		"":                    core.ErrInvalid,
	} {
		if err := Connect(t.Context(), &core.Instance{ID: "a", Endpoints: []string{endpoint}}); !errors.Is(err, want) {
			t.Errorf("%q: got %v; want %v", endpoint, err, want)
		}
	}
}
