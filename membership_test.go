package holdfast

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// ordered is a rollcall whose revisions are numbers.
type ordered struct{ *rollcall }

func (ordered) Compare(a, b core.Revision) (int, bool) {
	n, errA := strconv.Atoi(string(a))
	m, errB := strconv.Atoi(string(b))
	return n - m, errA == nil && errB == nil
}

// wrapped hides the abilities of a registry behind Unwrap.
type wrapped struct{ core.Registry }

func (w wrapped) Unwrap() any { return w.Registry }

func replica(rev core.Revision, in ...core.Instance) core.Snapshot[core.Instance] {
	return core.Snapshot[core.Instance]{Items: byID(in...), Revision: rev, Replica: true}
}

func TestReplica_ReplacesNothingKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.says(replica("3", peer("a")))
		d, e := inventory(t, reg, DiscoveryOptions{})
		wantKnown(t, e, "a", "", core.Replica)
		if s := e.Status(); !errors.Is(s.Err, core.ErrUnavailable) || s.Revision != "3" {
			t.Errorf("status is %+v, want a reason why it is not live", s)
		}
		reg.heal(peer("b"))
		wantKnown(t, e, "a b", "a", core.Live)
		wantLevels(t, d, "empty>replica", "replica>live")
	})
}

func TestReplica_ReplacesCachedUnlessItIsOlder(t *testing.T) {
	for name, c := range map[string]struct {
		rev   core.Revision
		wrap  func(*rollcall) core.Registry
		known string
		held  string
		level core.Level
	}{
		"newer":                {"8", func(r *rollcall) core.Registry { return ordered{r} }, "a b", "a", core.Replica},
		"same":                 {"7", func(r *rollcall) core.Registry { return ordered{r} }, "a b", "a", core.Replica},
		"older":                {"6", func(r *rollcall) core.Registry { return ordered{r} }, "a", "", core.Cached},
		"older, wrapped":       {"6", func(r *rollcall) core.Registry { return wrapped{ordered{r}} }, "a", "", core.Cached},
		"not comparable":       {"x", func(r *rollcall) core.Registry { return ordered{r} }, "a b", "a", core.Replica},
		"driver can't compare": {"6", func(r *rollcall) core.Registry { return r }, "a b", "a", core.Replica},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := newRollcall()
				reg.fails(errAway)
				_, e := inventory(t, c.wrap(reg), DiscoveryOptions{Cache: remembering(t, reg.Origin(), time.Now(), peer("a"))})
				wantKnown(t, e, "a", "", core.Cached)
				reg.says(replica(c.rev, peer("b")))
				time.Sleep(5 * time.Second)
				wantKnown(t, e, c.known, c.held, c.level)
				if e.Status().Err == nil {
					t.Error("Err is nil below level live")
				}
			})
		})
	}
}

func TestReplica_NeverReplacesLiveOrMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		d, e := inventory(t, ordered{reg}, DiscoveryOptions{Resync: time.Minute})
		reg.says(replica("9", peer("b")))
		time.Sleep(2 * time.Minute) // a full list meets a member without quorum
		wantKnown(t, e, "a", "", core.Memory)
		if err := e.Status().Err; !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Err is %v, want a reason why it is not live", err)
		}
		reg.shows(peer("a"))
		time.Sleep(10 * time.Second)
		wantKnown(t, e, "a", "", core.Live)
		reg.lose()
		reg.says(replica("9", peer("b")))
		time.Sleep(time.Minute)
		wantKnown(t, e, "a", "", core.Memory)
		wantLevels(t, d, "empty>live", "live>memory", "memory>live", "live>memory")
	})
}

func TestReplica_OlderOneDoesNotReplaceANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.says(replica("5", peer("a")))
		_, e := inventory(t, ordered{reg}, DiscoveryOptions{})
		reg.says(replica("4", peer("b")))
		time.Sleep(5 * time.Second)
		wantKnown(t, e, "a", "", core.Replica)
		reg.says(replica("6", peers("a b")...))
		time.Sleep(5 * time.Second)
		wantKnown(t, e, "a b", "", core.Replica)
	})
}

func TestLive_ReplacesWhateverItsRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.fails(errAway)
		_, e := inventory(t, ordered{reg}, DiscoveryOptions{Cache: remembering(t, reg.Origin(), time.Now(), peer("a"))})
		older := peer("a")
		older.Version = "restored"
		reg.heal(older) // at revision 1, below the cached 7
		wantKnown(t, e, "a", "", core.Live)
		if v := e.Instances()[0].Version; v != "restored" {
			t.Errorf("version is %q, want that of the live list", v)
		}
	})
}

func TestResync_FindsWhatTheWatchDidNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peers("a b")...)
		d, e := inventory(t, reg, DiscoveryOptions{Resync: time.Minute})
		reg.shows(peers("b c")...)
		time.Sleep(73 * time.Second)
		wantKnown(t, e, "a b c", "a", core.Live)
		time.Sleep(31 * time.Second)
		wantKnown(t, e, "b c", "", core.Live)
		wantLevels(t, d, "empty>live")
	})
}
