package holdfast

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Suspect is an instance that the backend no longer shows and that is held all
// the same, because of how it went: a backend that comes back empty must not
// take everybody's peers away.
type Suspect struct {
	// ID of the instance.
	ID string
	// Since is when it was first missed.
	Since time.Time
	// Until is when it is dropped, whatever it answers, unless it returns. It moves on
	// by the length of an outage: nothing is dropped while the backend can't be asked.
	Until time.Time
	// Reason says in what way it went.
	Reason string
	// Answered is when it last answered a probe; zero if it has not.
	Answered time.Time
	// Err is why the last probe failed, nil if it answered or was not asked yet. It
	// goes when the next one fails too.
	Err error
}

// The ways to become suspect.
const (
	missingInList = "a list after trouble lacks it"
	massDeletion  = "more than half of the instances were removed at once"
	operatorHolds = "an operator holds what goes"
)

// Guard bounds: a deletion seen on a watch in sync is believed unless, with those
// before it within the window, it takes at least massDeletionMin instances that were
// up, and more than half of them.
const (
	massDeletionMin    = 3
	massDeletionWindow = 10 * time.Second
)

// Suspects are probed soon, again a little later if they did not answer, and now and
// then while they do.
const (
	firstProbeWithin = 500 * time.Millisecond // at random, for the sake of who is asked by many
	probeAgainAfter  = time.Second
	probeAliveEvery  = 10 * time.Second // +-20 %
	// probesPerSecond bounds how fast a service's suspects are probed.
	probesPerSecond = 200
)

// shortGap is how long a gap between two answers of the backend may be and still
// count as time in which a suspect could have returned. It is above the longest
// retry of a backend that answers lists but whose watches fail, where nothing
// would ever be dropped otherwise, and below the outages that matter.
const shortGap = 5 * time.Second

// suspects is the hold: who is missing, and until when each is kept. Only steps
// of the membership change it, one at a time; mu lets a Status read it meanwhile.
// The zero value is ready.
type suspects struct {
	mu       sync.Mutex
	byID     map[string]Suspect
	probeAt  map[string]time.Time // when each is probed next
	frozen   time.Time            // until when an operator wants nothing dropped
	pausedAt time.Time            // since when the backend can't be asked; zero if it can
	moved    bool                 // who waits for the hold has to look again
	newest   Suspect
	returned int // of this episode, which lasts while anything is held
	dropped  int
	dead     int // of the dropped, because they did not answer
}

func (s *suspects) has(id string) bool {
	_, ok := s.byID[id]
	return ok
}

func (s *suspects) len() int { return len(s.byID) }

// hold makes an instance suspect; one that is already keeps its time.
func (s *suspects) hold(id, reason string, now time.Time, d time.Duration) {
	if s.has(id) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID, s.probeAt = make(map[string]Suspect), make(map[string]time.Time)
	}
	if len(s.byID) == 0 {
		s.returned, s.dropped, s.dead = 0, 0, 0
	}
	s.newest = Suspect{ID: id, Since: now, Until: now.Add(d), Reason: reason}
	s.byID[id] = s.newest
	s.probeAt[id] = now.Add(rand.N(firstProbeWithin))
	s.moved = true
}

// freeze drops nobody until a moment.
func (s *suspects) freeze(until time.Time) { s.frozen, s.moved = until, len(s.byID) > 0 }

// frozenAt reports whether an operator holds what goes.
func (s *suspects) frozenAt(now time.Time) bool { return now.Before(s.frozen) }

// release ends the hold of an instance that is there again.
func (s *suspects) release(id string) {
	if s.remove(id) {
		s.returned++
	}
}

// drop ends the hold of an instance that is given up.
func (s *suspects) drop(id string) {
	if s.remove(id) {
		s.dropped++
	}
}

func (s *suspects) remove(id string) bool {
	if !s.has(id) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
	delete(s.probeAt, id)
	s.moved = s.moved || len(s.byID) == 0
	return true
}

// pause stops the clock: the backend can't be asked.
func (s *suspects) pause(now time.Time) {
	if s.pausedAt.IsZero() {
		s.pausedAt = now
	}
}

// resume starts the clock again.
func (s *suspects) resume(now time.Time) {
	if s.pausedAt.IsZero() {
		return
	}
	gap := now.Sub(s.pausedAt)
	s.pausedAt, s.moved = time.Time{}, true
	if gap <= shortGap {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, held := range s.byID {
		held.Until = held.Until.Add(gap)
		s.byID[id] = held
	}
}

// overdue returns who is held no longer; nobody while the clock stands still or an
// operator holds.
func (s *suspects) overdue(now time.Time) []string {
	if !s.pausedAt.IsZero() || s.frozenAt(now) {
		return nil
	}
	var ids []string
	for id, held := range s.byID {
		if !now.Before(held.Until) {
			ids = append(ids, id)
		}
	}
	return ids
}

// toProbe returns who is to be asked now; nobody while the clock stands still, because
// what keeps this process from the backend may keep it from everybody.
func (s *suspects) toProbe(now time.Time) []string {
	if !s.pausedAt.IsZero() {
		return nil
	}
	var ids []string
	for id, at := range s.probeAt {
		if !now.Before(at) {
			ids = append(ids, id)
		}
	}
	return ids
}

// probed notes what a suspect answered; gone says that it has not for the second time
// in a row.
func (s *suspects) probed(id string, err error, now time.Time) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.byID[id]
	if !ok || !s.pausedAt.IsZero() {
		return false
	}
	if err == nil {
		held.Answered, held.Err = now, nil
		s.probeAt[id] = now.Add(probeAliveEvery*4/5 + rand.N(probeAliveEvery*2/5))
	} else {
		gone = held.Err != nil && !s.frozenAt(now)
		held.Err = err
		s.probeAt[id] = now.Add(probeAgainAfter)
	}
	s.byID[id] = held
	return gone
}

// wait returns how long until somebody is overdue or to be probed; ok is false while
// that can't happen by time alone.
func (s *suspects) wait(now time.Time) (d time.Duration, ok bool) {
	if !s.pausedAt.IsZero() {
		return 0, false
	}
	for id, held := range s.byID {
		left := max(held.Until.Sub(now), s.frozen.Sub(now))
		left = min(left, s.probeAt[id].Sub(now))
		if !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// list returns the held by ID. It is safe for concurrent use.
func (s *suspects) list() []Suspect {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Values(s.byID), func(a, b Suspect) int { return strings.Compare(a.ID, b.ID) })
}
