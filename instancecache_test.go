package holdfast

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestInstanceCache_ServesWhileTheBackendIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		store := remembering(t, reg.Origin(), time.Now().Add(-time.Hour), peers("a b")...)
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		<-e.cacheLooked()
		wantKnown(t, e, "a b", "", core.Cached)
		s := e.Status()
		if s.Age != time.Hour || s.Revision != "7" || s.Err == nil {
			t.Errorf("status is %+v, want an age of 1h, revision 7 and a reason", s)
		}
		wantLevels(t, d, "empty>cached")
		if p, err := e.Pick(t.Context()); err != nil || p.Instance() == nil {
			t.Errorf("Pick: %v, %v", p, err)
		}
	})
}

func TestInstanceCache_AgeOfARecordFromTheFutureIsNotNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		_, e := inventory(t, reg, DiscoveryOptions{Cache: remembering(t, reg.Origin(), time.Now().Add(time.Hour), peer("a"))})
		wantKnown(t, e, "a", "", core.Cached)
		if age := e.Status().Age; age != 0 {
			t.Errorf("age is %v, want 0", age)
		}
	})
}

func TestInstanceCache_IsWrittenByDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		store := remembering(t, reg.Origin(), time.Now(), peers("old ghost")...)
		reg.shows(peers("a b c")...)
		_, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		time.Sleep(2 * time.Second)
		b := store.last()
		if len(b) != 1 || !b[0].Reset || store.keys(reg.Origin()) != "a b c" {
			t.Errorf("first list wrote %+v, store holds %q", b, store.keys(reg.Origin()))
		}
		if r := b[0].Put[0]; r.Revision != "1" || time.Since(r.SavedAt) != 2*time.Second {
			t.Errorf("record has revision %q, saved at %v", r.Revision, r.SavedAt)
		}

		changed := peer("a")
		changed.Weight = 5
		reg.step(core.Update[core.Instance]{Put: byID(changed, peer("b")), Delete: []string{"c"}, Revision: "2"})
		reg.step(core.Update[core.Instance]{Revision: "3"})
		time.Sleep(2 * time.Second)
		b = store.last()
		if len(b) != 1 || b[0].Reset || len(b[0].Put) != 1 || b[0].Put[0].Key != "a" || len(b[0].Delete) != 1 || b[0].Delete[0] != "c" {
			t.Errorf("a change wrote %+v, want a put of a and a deletion of c", b)
		}
		wantKnown(t, e, "a b", "", core.Live)
	})
}

func TestInstanceCache_KeepsTheHeldUntilTheyAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		store := remembering(t, reg.Origin(), time.Now(), peers("a b")...)
		inventory(t, reg, DiscoveryOptions{Cache: store})
		time.Sleep(time.Minute)
		if b := store.last(); len(b) != 0 {
			t.Errorf("written before a list was believed: %+v", b)
		}
		reg.heal(peer("c"))
		time.Sleep(5 * time.Second)
		if got := store.keys(reg.Origin()); got != "a b c" {
			t.Errorf("store holds %q while a and b are held", got)
		}
		time.Sleep(time.Minute)
		if got := store.keys(reg.Origin()); got != "c" {
			t.Errorf("store holds %q after a and b were dropped", got)
		}
	})
}

func TestInstanceCache_KeepsWhatAMassDeletionTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		store := &noted{}
		reg.shows(peers("a b c d")...)
		inventory(t, reg, DiscoveryOptions{Cache: store})
		reg.step(core.Update[core.Instance]{Delete: strings.Fields("a b c d"), Revision: "2"})
		time.Sleep(5 * time.Second)
		if got := store.keys(reg.Origin()); got != "a b c d" {
			t.Errorf("store holds %q", got)
		}
	})
}

func TestInstanceCache_IsNotWrittenFromAReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		store := remembering(t, reg.Origin(), time.Now(), peer("a"))
		reg.says(replica("9", peer("b")))
		inventory(t, reg, DiscoveryOptions{Cache: store})
		time.Sleep(2 * time.Minute)
		if b := store.last(); len(b) != 0 {
			t.Errorf("written from a replica: %+v", b)
		}
	})
}

func TestInstanceCache_RemembersThatThereIsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows()
		store := remembering(t, reg.Origin(), time.Now(), peer("ghost"))
		_, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		time.Sleep(2 * time.Second)
		wantKnown(t, e, "", "", core.Live)
		if got := store.keys(reg.Origin()); got != "" {
			t.Errorf("store holds %q after a list of nobody", got)
		}
	})
}

func TestInstanceCache_NeverReplacesWhatIsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("live"))
		store := remembering(t, reg.Origin(), time.Now(), peer("cached"))
		store.gate = make(chan struct{})
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		wantKnown(t, e, "live", "", core.Live)
		select {
		case <-e.cacheLooked():
			t.Error("the cache counts as looked at while the store hangs")
		default:
		}
		close(store.gate)
		<-e.cacheLooked()
		wantKnown(t, e, "live", "", core.Live)
		wantLevels(t, d, "empty>live")
	})
}

func TestInstanceCache_UnreadableStoreIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		store := remembering(t, reg.Origin(), time.Now(), peer("a"))
		store.fails(&core.Error{Driver: "noted", Op: "open", Kind: core.ErrUnavailable})
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		<-e.cacheLooked()
		wantKnown(t, e, "", "", core.Empty)
		time.Sleep(45 * time.Second)
		store.fails(nil)
		time.Sleep(14 * time.Second)
		wantKnown(t, e, "", "", core.Empty)
		time.Sleep(2 * time.Second)
		wantKnown(t, e, "a", "", core.Cached)
		if n := d.jrnl.count()[EventCache]; n != 2 {
			t.Errorf("%d events of the cache, want one that it fails and one that it works", n)
		}
	})
}

func TestInstanceCache_TrustsNoRecord(t *testing.T) {
	sealed := func(v any) []byte {
		b, err := seal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	foreign := peer("foreign")
	foreign.Service = "orders"
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		store := remembering(t, reg.Origin(), time.Now(), peer("a"))
		bucket := store.buckets[bucketName("instances/inventory", reg.Origin(), "")]
		for key, value := range map[string][]byte{
			"zero":    nil,
			"text":    []byte("not an envelope"),
			"foreign": sealed(foreign),
			"renamed": sealed(peer("b")),
			"number":  sealed(7),
		} {
			bucket[key] = core.Record{Key: key, Value: value, Revision: "99", SavedAt: time.Now()}
		}
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		wantKnown(t, e, "a", "", core.Cached)
		if rev := e.Status().Revision; rev != "7" {
			t.Errorf("revision is %q, want that of the good record", rev)
		}
		events := d.jrnl.timeline()
		if events[0].Kind != EventCache || !errors.Is(events[0].Err, core.ErrCorrupt) || !strings.Contains(events[0].Err.Error(), "5 of 6") {
			t.Errorf("first event is %+v, want 5 of 6 cached instances corrupt", events[0])
		}
	})
}

func TestInstanceCache_OfAnotherOriginOrScopeIsNotServed(t *testing.T) {
	for name, c := range map[string]struct{ origin, scope string }{
		"origin": {"staging", ""},
		"scope":  {"rollcall", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := newRollcall()
				reg.fails(errAway)
				_, e := inventory(t, reg, DiscoveryOptions{Cache: remembering(t, c.origin, time.Now(), peer("a")), CacheScope: c.scope})
				wantKnown(t, e, "", "", core.Empty)
			})
		})
	}
}

func TestInstanceCache_TakesAnyID(t *testing.T) {
	nasty := []core.Instance{peer("../../etc"), peer("nul\x00"), peer(strings.Repeat("long", 1000)), peer("\xff\xfe")}
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(nasty...)
		store := &noted{}
		d, e := inventory(t, reg, DiscoveryOptions{Cache: store})
		if err := d.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		for key := range store.buckets[bucketName("instances/inventory", reg.Origin(), "")] {
			if len(key) > 1024 {
				t.Errorf("a key of %d bytes", len(key))
			}
		}
		reg.fails(errAway)
		_, again := inventory(t, reg, DiscoveryOptions{Cache: store})
		if got, want := ids(again.Instances()), strings.TrimSuffix(ids(e.Instances()), " \xff\xfe"); got != want {
			t.Errorf("after a restart %q, want %q", got, want)
		}
	})
}
