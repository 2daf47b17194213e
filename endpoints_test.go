package holdfast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestEndpoints_LevelFollowsTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("b a")...)
		d, e := inventory(t, reg, DiscoveryOptions{})
		wantKnown(t, e, "a b", "", core.Live)
		if s := e.Status(); s.Err != nil || s.Revision != "1" || s.Lists != 1 || s.Instances != 2 || s.Up != 2 {
			t.Errorf("status after the first list is %+v", s)
		}

		reg.lose()
		time.Sleep(time.Minute)
		wantKnown(t, e, "a b", "", core.Memory)
		if s := e.Status(); !errors.Is(s.Err, core.ErrUnavailable) || s.Age != time.Minute {
			t.Errorf("status a minute after the loss has Err %v and Age %v", s.Err, s.Age)
		}
		if n := reg.listed(); n < 20 {
			t.Errorf("%d lists were tried in a minute", n)
		}

		reg.heal(peers("a b")...)
		wantKnown(t, e, "a b", "", core.Live)
		wantLevels(t, d, "empty>live", "live>memory", "memory>live")
	})
}

func TestEndpoints_AgeIsThatOfTheLastSignOfSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		_, e := inventory(t, reg, DiscoveryOptions{})
		time.Sleep(3 * time.Second)
		if age := e.Status().Age; age != 3*time.Second {
			t.Errorf("age 3s after the list is %v", age)
		}
		reg.step(core.Update[core.Instance]{Revision: "5"})
		time.Sleep(time.Second)
		if s := e.Status(); s.Age != time.Second || s.Revision != "5" || s.Changes != 1 {
			t.Errorf("1s after a heartbeat: age %v, revision %q, %d changes", s.Age, s.Revision, s.Changes)
		}
	})
}

func TestEndpoints_DeadBackendIsRecordedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		d, e := inventory(t, reg, DiscoveryOptions{})
		time.Sleep(time.Minute)
		wantKnown(t, e, "", "", core.Empty)
		wantLevels(t, d, "none>empty")
		_, err := e.Pick(t.Context())
		if !errors.Is(err, core.ErrNotFound) || !strings.Contains(err.Error(), `"inventory"`) ||
			!strings.Contains(err.Error(), "level empty for 1m0s") {
			t.Errorf("Pick: %v, want not found with service, level and age", err)
		}
	})
}

func TestEndpoints_WatchesThatNeverListenAreNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		d, e := inventory(t, reg, DiscoveryOptions{})
		for range 20 {
			reg.breaks(errAway)
		}
		reg.shows(peers("a b")...)
		reg.breaks(errAway)
		reg.breaks(errAway)
		wantKnown(t, e, "a b", "", core.Memory)
		if n := len(levels(d)); n > 2*deafWatches {
			t.Errorf("%d changes of level for 20 watches that failed", n)
		}
		time.Sleep(5 * time.Second) // until the next watch begins
		reg.step(core.Update[core.Instance]{Revision: "3"})
		wantKnown(t, e, "a b", "", core.Live)
	})
}

func TestEndpoints_DeniedIsLoudOnceAndKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		d, e := inventory(t, reg, DiscoveryOptions{})
		denied := &core.Error{Driver: "rollcall", Op: "discover", Kind: core.ErrDenied}
		reg.fails(denied)
		reg.breaks(denied)
		time.Sleep(10 * time.Minute)
		wantKnown(t, e, "a", "", core.Memory)
		if n := d.jrnl.count()[EventDenied]; n != 1 {
			t.Errorf("%d events for one refusal, want 1", n)
		}
		if n := reg.listed(); n < 10 || n > 22 {
			t.Errorf("%d lists in 10 minutes of denial, want one each 30 to 60 s", n)
		}
	})
}

// panicking is a registry whose driver panics for as long as it is told to.
type panicking struct {
	*rollcall
	panics atomic.Bool
}

func (p *panicking) Discover(ctx context.Context, service string) (core.Snapshot[core.Instance], error) {
	if p.panics.Load() {
		panic("boom")
	}
	return p.rollcall.Discover(ctx, service)
}

func TestEndpoints_SurviveADriverThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &panicking{rollcall: newRollcall()}
		reg.panics.Store(true)
		reg.shows(peer("a"))
		d, e := inventory(t, reg, DiscoveryOptions{})
		time.Sleep(time.Second)
		wantKnown(t, e, "", "", core.Empty)
		if n := d.jrnl.count()[EventPanic]; n != 1 {
			t.Errorf("%d events for one reason to panic, want 1", n)
		}
		synctest.Wait()
		reg.panics.Store(false)
		time.Sleep(5 * time.Second)
		wantKnown(t, e, "a", "", core.Live)
	})
}

func TestEndpoints_UnchangedInstanceKeepsItsPointer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b")...)
		_, e := inventory(t, reg, DiscoveryOptions{})
		before := e.Instances()
		changed := peer("b")
		changed.Version = "2"
		reg.step(core.Update[core.Instance]{Put: byID(peer("a"), changed, peer("c")), Revision: "2"})
		after := e.Instances()
		if ids(after) != "a b c" || after[0] != before[0] || after[1] == before[1] || after[1].Version != "2" {
			t.Errorf("after a change of b: %v, before %v", after, before)
		}
		if before[1].Version != "" || len(before) != 2 {
			t.Error("the snapshot read before the change was modified")
		}
		changes := e.Status().Changes
		reg.step(core.Update[core.Instance]{Put: byID(peer("a")), Revision: "3"})
		if got := e.Status().Changes; got != changes {
			t.Errorf("a step that changes nothing counted as change %d", got)
		}
	})
}

func TestEndpoints_UnusableEntryIsBadAndKeepsItsLastGoodInstance(t *testing.T) {
	foreign, renamed, invalid := peer("b"), peer("other"), peer("d")
	foreign.Service, invalid.Weight = "orders", -1
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.says(core.Snapshot[core.Instance]{Revision: "1",
			Items: map[string]core.Instance{"a": peer("a"), "b": foreign, "c": renamed, "d": invalid},
			Bad:   map[string]error{"e": errors.New("no JSON")}})
		d, e := inventory(t, reg, DiscoveryOptions{})
		wantKnown(t, e, "a", "", core.Live)
		if got := fmt.Sprint(len(e.Status().Bad), e.Status().Bad["e"]); got != "4 no JSON" {
			t.Errorf("bad entries: %v", e.Status().Bad)
		}
		if got := d.jrnl.count()[EventRefused]; got != 1 {
			t.Errorf("%d events for one step with bad entries, want 1", got)
		}

		reg.step(core.Update[core.Instance]{Put: byID(peers("b c d")...), Delete: []string{"e"}, Revision: "2"})
		wantKnown(t, e, "a b c d", "", core.Live)
		if bad := e.Status().Bad; len(bad) != 0 {
			t.Errorf("bad entries after all were repaired: %v", bad)
		}
		if got := d.jrnl.count()[EventAccepted]; got != 1 {
			t.Errorf("%d events for the repair, want 1", got)
		}

		reg.step(core.Update[core.Instance]{Bad: map[string]error{"b": errors.New("torn")}, Revision: "3"})
		reg.step(core.Update[core.Instance]{Reset: true, Put: byID(peers("a c d")...),
			Bad: map[string]error{"b": errors.New("torn")}, Revision: "4"})
		wantKnown(t, e, "a b c d", "", core.Live)
		if e.Status().Bad["b"] == nil {
			t.Error("a bad entry is not in Status after a Reset")
		}
		reg.step(core.Update[core.Instance]{Delete: []string{"b"}, Revision: "5"})
		wantKnown(t, e, "a c d", "", core.Live)
		if bad := e.Status().Bad; len(bad) != 0 {
			t.Errorf("bad entries after the deletion: %v", bad)
		}
	})
}

func TestEndpoints_ChangesYieldTheNewestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		d, e := inventory(t, reg, DiscoveryOptions{})
		next, stop := iter.Pull(e.Changes(t.Context()))
		defer stop()
		if in, ok := next(); !ok || ids(in) != "a" {
			t.Fatalf("first: %q, %v, want the current set", ids(in), ok)
		}
		reg.step(core.Update[core.Instance]{Put: byID(peer("b")), Revision: "2"})
		reg.step(core.Update[core.Instance]{Put: byID(peer("c")), Revision: "3"})
		if in, ok := next(); !ok || ids(in) != "a b c" {
			t.Fatalf("after two changes: %q, %v, want the newest set", ids(in), ok)
		}
		go func() {
			time.Sleep(time.Second)
			reg.send(core.Update[core.Instance]{Revision: "4"})
			reg.send(core.Update[core.Instance]{Delete: []string{"a"}, Revision: "5"})
		}()
		start := time.Now()
		if in, ok := next(); !ok || ids(in) != "b c" || time.Since(start) != time.Second {
			t.Fatalf("after a heartbeat and a change: %q, %v, after %v", ids(in), ok, time.Since(start))
		}
		go func() { _ = d.Close(context.Background()) }()
		if in, ok := next(); ok {
			t.Errorf("Close did not end Changes: %q", ids(in))
		}
	})
}

func TestEndpoints_ChangesEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		_, e := inventory(t, reg, DiscoveryOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		rounds := 0
		for range e.Changes(ctx) {
			rounds++
		}
		if rounds != 1 {
			t.Errorf("Changes yielded %d times, want once", rounds)
		}
	})
}

func TestEndpoints_WaitLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		d, e := inventory(t, reg, DiscoveryOptions{})
		if err := e.WaitLevel(t.Context(), core.Empty); err != nil {
			t.Errorf("waiting for level empty: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.WaitLevel(ctx, core.Live); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a dead backend: %v, want the cause of ctx", err)
		}
		reg.shows(peer("a"))
		if err := e.WaitLevel(t.Context(), core.Live); err != nil {
			t.Errorf("waiting for level live: %v", err)
		}
		reg.lose()
		go func() {
			time.Sleep(time.Second)
			_ = d.Close(context.Background())
		}()
		if err := e.WaitLevel(t.Context(), core.Live); !errors.Is(err, core.ErrClosed) {
			t.Errorf("waiting while the Discovery is closed: %v, want core.ErrClosed", err)
		}
	})
}
