package policy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// FallbackStats is what a [Fallback] has done and does. Counters begin at zero
// with its first use and never go down; they are read one after the other, so
// those of a busy Fallback need not add up.
type FallbackStats struct {
	// Level is that of the newest answer, [core.None] if there was none or no
	// level answered.
	Level core.Level
	// Since is when the live call last began to answer, or to fail; zero before
	// the first answer.
	Since time.Time
	// Levels has one entry per level, the live call first. The slice is the
	// caller's.
	Levels []LevelStats
	// Unanswered counts calls that no level answered.
	Unanswered uint64
	// Cache is about what is remembered; zero without ThenCached.
	Cache CacheStats
}

// LevelStats is what one level of a [Fallback] has done.
type LevelStats struct {
	Level core.Level
	// Answers counts answers of this level. For [core.Live] it counts callers, of
	// whom several may have shared a call. What the live call answered with an
	// error ([core.ErrNotFound], say) is among its Errors.
	Answers uint64
	// Errors counts how often the level was asked and did not answer.
	Errors uint64
	// LastAnswer is when it last answered; zero if it never did.
	LastAnswer time.Time
	// Age is how old the newest answer of [core.Cached] was when it was served.
	Age time.Duration
	// Err is why the level last did not answer; nil if it always did.
	Err error
}

// CacheStats is what a [Fallback] remembers, and how its store does.
type CacheStats struct {
	Entries int   // answers that are remembered
	Bytes   int64 // of keys and encoded values
	Pending int   // records that wait to be written or removed

	Evicted uint64 // answers that went to keep the bounds
	Expired uint64 // answers that were found to be older than MaxAge
	Corrupt uint64 // records that could not be read, and were not served; a store that left out damaged ones counts as one
	Unkept  uint64 // answers that were not remembered: the codec or the store can't take them, or they exceed Bytes

	Writes, WriteErrors uint64    // batches acknowledged and failed
	LastWrite           time.Time // when a batch was last acknowledged
	// Err is the newest error of store or codec, and ErrAt when it happened. It
	// stays when all is well again: then LastWrite is later.
	Err   error
	ErrAt time.Time
}

// Stats returns what the Fallback has done and does. The zero value for one that
// was built wrongly.
func (f *Fallback[K, V]) Stats() FallbackStats {
	l, err := f.alive()
	if err != nil {
		return FallbackStats{}
	}
	s := l.tally.stats()
	s.Levels[0].Level = core.Live
	for i, r := range l.rungs {
		s.Levels[i+1].Level = r.level
	}
	if l.memory != nil {
		s.Cache = l.memory.stats()
	}
	return s
}

// tally counts what the levels do and tells of changes.
type tally struct {
	levels     []levelTally
	missed     atomic.Uint64
	newest     atomic.Uint32 // a core.Level
	isLive     atomic.Bool   // as told
	bell       levelBell
	mu         sync.Mutex
	told       core.Level
	since      time.Time
	lastUp     time.Time
	lastDown   time.Time
	everything bool // something was told
}

type levelTally struct {
	answers, errors atomic.Uint64
	last            atomic.Int64 // unix nanoseconds
	age             atomic.Int64
	err             atomic.Pointer[error]
}

func (t *tally) init(levels int, changed func(LevelChange)) {
	t.levels = make([]levelTally, levels)
	t.bell.receiver = changed
}

// answered counts an answer of the i-th level to a call that began at asked.
func (t *tally) answered(i int, level core.Level, age time.Duration, asked time.Time, cause error) {
	l := &t.levels[i]
	l.answers.Add(1)
	l.last.Store(time.Now().UnixNano())
	l.age.Store(int64(age))
	t.level(level, asked, cause)
}

func (t *tally) failed(i int, err error) {
	l := &t.levels[i]
	l.errors.Add(1)
	l.err.Store(&err)
}

func (t *tally) unanswered(asked time.Time, cause error) {
	t.missed.Add(1)
	t.level(core.None, asked, cause)
}

// level notes the level of the newest answer.
func (t *tally) level(level core.Level, asked time.Time, cause error) {
	t.newest.Store(uint32(level))
	live := level == core.Live
	if t.isLive.Load() == live && (live || t.begun()) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	last := &t.lastDown
	if live {
		last = &t.lastUp
	}
	switch {
	case t.everything && t.isLive.Load() == live:
		return
	case asked.Before(t.since):
		return // of before the change that was told last
	case !last.IsZero() && now.Sub(*last) < changeEvery:
		return // the next answer says whether it stays so
	}
	t.bell.tell(LevelChange{From: t.told, To: level, At: now, Cause: cause})
	t.told, t.since, *last, t.everything = level, now, now, true
	t.isLive.Store(live)
}

func (t *tally) begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.everything
}

func (t *tally) stats() FallbackStats {
	s := FallbackStats{Level: core.Level(t.newest.Load()), Unanswered: t.missed.Load()}
	t.mu.Lock()
	s.Since = t.since
	t.mu.Unlock()
	for i := range t.levels {
		l := &t.levels[i]
		ls := LevelStats{Answers: l.answers.Load(), Errors: l.errors.Load(), Age: time.Duration(l.age.Load())}
		if last := l.last.Load(); last != 0 {
			ls.LastAnswer = time.Unix(0, last)
		}
		if err := l.err.Load(); err != nil {
			ls.Err = *err
		}
		s.Levels = append(s.Levels, ls)
	}
	return s
}
