package policy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// LevelChange is the event that the live call of a [Fallback] began to answer,
// or to fail. Keys may be at different levels below at the same time, so a
// change among those is no event. There is at most one event a second in each
// direction: a backend that flaps is not reported with every call.
type LevelChange struct {
	// From and To are the levels of the answers before and after; None before the
	// first answer, and where no level answered.
	From, To core.Level
	At       time.Time
	// Cause is why the live call failed; nil when To is [core.Live].
	Cause error
}

// LogLevels returns a function for [Fallback.OnChange] that logs each change: as
// information when the live call answers, else as a warning. The name says which
// fallback it is; a nil logger logs nothing.
func LogLevels(logger *slog.Logger, name string) func(LevelChange) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return func(c LevelChange) {
		level := slog.LevelInfo
		attrs := []slog.Attr{slog.String("fallback", name), slog.String("from", c.From.String()), slog.String("to", c.To.String())}
		if c.To != core.Live {
			level = slog.LevelWarn
			attrs = append(attrs, slog.Any("error", c.Cause))
		}
		logger.LogAttrs(context.Background(), level, "policy: fallback is at level "+c.To.String(), attrs...)
	}
}

// changeEvery is the least time between two events in the same direction.
const changeEvery = time.Second

// levelBell tells one receiver about changes as bell does about a breaker's:
// in order, on a goroutine that lives only while there is something to tell.
type levelBell struct {
	receiver func(LevelChange) // nil: nobody is told
	mu       sync.Mutex
	queue    []LevelChange
	ringing  bool
}

// tell queues a change. It never blocks.
func (b *levelBell) tell(c LevelChange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receiver == nil || len(b.queue) >= pending {
		return
	}
	b.queue = append(b.queue, c)
	if !b.ringing {
		b.ringing = true
		go b.ring()
	}
}

// ring tells what is queued, and ends.
func (b *levelBell) ring() {
	done := false
	defer func() {
		if !done { // the receiver ended the goroutine with runtime.Goexit
			go b.ring()
		}
	}()
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.ringing, b.queue, done = false, nil, true
			b.mu.Unlock()
			return
		}
		c := b.queue[0]
		b.queue = b.queue[1:]
		b.mu.Unlock()
		b.call(c)
	}
}

func (b *levelBell) call(c LevelChange) {
	defer func() { _ = recover() }()
	b.receiver(c)
}
