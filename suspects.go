package holdfast

import (
	"maps"
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
	// Until is when it is dropped, unless it returns. It moves on by the length of
	// an outage: nothing is dropped while the backend can't be asked.
	Until time.Time
	// Reason says in what way it went.
	Reason string
}

// The ways to become suspect.
const (
	missingInList = "a list after trouble lacks it"
	massDeletion  = "one step removed more than half of the instances"
)

// Guard bounds: a deletion seen on a watch in sync is believed unless it takes at
// least massDeletionMin instances that were up, and more than half of them.
const massDeletionMin = 3

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
	pausedAt time.Time // since when the backend can't be asked; zero if it can
	moved    bool      // who waits for the hold has to look again
	newest   Suspect
	returned int // of this episode, which lasts while anything is held
	dropped  int
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
		s.byID = make(map[string]Suspect)
	}
	if len(s.byID) == 0 {
		s.returned, s.dropped = 0, 0
	}
	s.newest = Suspect{ID: id, Since: now, Until: now.Add(d), Reason: reason}
	s.byID[id] = s.newest
	s.moved = true
}

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

// overdue returns who is held no longer; nobody while the clock stands still.
func (s *suspects) overdue(now time.Time) []string {
	if !s.pausedAt.IsZero() {
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

// wait returns how long until somebody is overdue; ok is false while that can't
// happen by time alone.
func (s *suspects) wait(now time.Time) (d time.Duration, ok bool) {
	if !s.pausedAt.IsZero() {
		return 0, false
	}
	for _, held := range s.byID {
		if left := held.Until.Sub(now); !ok || left < d {
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
