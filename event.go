package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of event.
const (
	EventLevel      EventKind = "level"      // a part changed its level: From, To
	EventRefused    EventKind = "refused"    // a value was refused; the last good one stays
	EventAccepted   EventKind = "accepted"   // a binding takes values again after a refusal
	EventHeld       EventKind = "held"       // what a list lacked is held for now
	EventReleased   EventKind = "released"   // nothing is held any more
	EventRegistered EventKind = "registered" // peers can see the instance
	EventLost       EventKind = "lost"       // the registration is gone or can't be confirmed
	EventConflict   EventKind = "conflict"   // a newer incarnation holds the instance's ID
	EventDenied     EventKind = "denied"     // a backend answers but refuses until a person acts; what is known stays
	EventCache      EventKind = "cache"      // the cache store fails, or works again
	EventPanic      EventKind = "panic"      // a function of the user or of a driver panicked
	EventBreaker    EventKind = "breaker"    // the breaker of Options.Policy changed its state
	EventEjected    EventKind = "ejected"    // an instance failed too often in a row and gets no requests for a while
	EventReturned   EventKind = "returned"   // an ejected instance answered and gets requests again
	EventPhase      EventKind = "phase"      // the process went on to another phase of its life, or one went wrong
)

// Event is one entry of a service's timeline. There is one per change, never one
// per retry.
type Event struct {
	Time time.Time
	Kind EventKind
	// Part names what changed: "config", "endpoints inventory", "announcement
	// orders", "cache".
	Part string
	// From and To are the levels of an EventLevel, None otherwise.
	From, To core.Level
	// Key is the configuration key or instance ID concerned, if one is.
	Key string
	// Detail is for people. It never holds a configuration value.
	Detail string
	// Err is why, nil when things got better.
	Err error
}

// complaints are the events that err deserves after before: what no retry heals
// is told once, and again only after something else was wrong.
func complaints(part string, err, before error) []Event {
	var events []Event
	if p, ok := errors.AsType[*panicked](err); ok {
		if _, again := errors.AsType[*panicked](before); !again {
			events = append(events, Event{Kind: EventPanic, Part: part, Err: err, Detail: "it is called again\n" + p.stack})
		}
	}
	for _, loud := range []struct {
		is     error
		detail string
	}{
		{core.ErrDenied, "the backend refuses until a person acts; it is asked again each minute"},
		{core.ErrInvalid, "the backend can never answer what it is asked"},
	} {
		if errors.Is(err, loud.is) && !errors.Is(before, loud.is) {
			events = append(events, Event{Kind: EventDenied, Part: part, Err: err, Detail: loud.detail})
		}
	}
	return events
}

var errCallPanicked = errors.New("a call to the backend panicked")

// breakerEvent tells of a breaker in the words of the timeline.
func breakerEvent(e policy.Event) Event {
	err := e.Err
	if e.To == policy.Open && err == nil {
		err = errCallPanicked
	}
	return Event{Kind: EventBreaker, Part: "policy", Err: err, Detail: fmt.Sprintf("%v, was %v", e.To, e.From)}
}

// timelineLength is how many events are remembered.
const timelineLength = 256

// journal is where every engine reports a change: a bounded timeline and one log
// line each. It also wakes whoever waits for a change.
type journal struct {
	log *slog.Logger

	mu      sync.Mutex
	events  []Event // a ring once it is full
	next    int
	counts  map[EventKind]uint64
	changed chan struct{}
}

func newJournal(log *slog.Logger) *journal {
	if log == nil {
		log = slog.Default()
	}
	return &journal{log: log, counts: make(map[EventKind]uint64), changed: make(chan struct{})}
}

// record stores and logs an event, and wakes the waiting.
func (j *journal) record(e Event) {
	j.remember(e)
	j.wake()
	attrs := []slog.Attr{slog.String("part", e.Part)}
	if e.From != core.None || e.To != core.None {
		attrs = append(attrs, slog.String("from", e.From.String()), slog.String("to", e.To.String()))
	}
	if e.Key != "" {
		attrs = append(attrs, slog.String("key", e.Key))
	}
	if e.Detail != "" {
		attrs = append(attrs, slog.String("detail", e.Detail))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	j.log.LogAttrs(context.Background(), severity(e), "holdfast: "+string(e.Kind), attrs...)
}

// remember stores an event of now.
func (j *journal) remember(e Event) {
	e.Time = time.Now()
	j.mu.Lock()
	if len(j.events) < timelineLength {
		j.events = append(j.events, e)
	} else {
		j.events[j.next] = e
		j.next = (j.next + 1) % timelineLength
	}
	j.counts[e.Kind]++
	j.mu.Unlock()
}

// severity is Info for what got better, Warn for what got worse and heals by
// itself, Error for what a person has to look at.
func severity(e Event) slog.Level {
	switch e.Kind {
	case EventLevel:
		if e.Err == nil && e.To.AtLeast(e.From) {
			return slog.LevelInfo
		}
		return slog.LevelWarn
	case EventRegistered, EventAccepted, EventReleased, EventReturned:
		return slog.LevelInfo
	case EventRefused, EventConflict, EventDenied, EventPanic:
		return slog.LevelError
	case EventCache, EventBreaker:
		if e.Err == nil {
			return slog.LevelInfo
		}
	}
	return slog.LevelWarn
}

// timeline returns the remembered events, oldest first.
func (j *journal) timeline() []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Concat(j.events[j.next:], j.events[:j.next])
}

// count returns how many events of each kind there were.
func (j *journal) count() map[EventKind]uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.counts)
}

// wake ends every wait for a change.
func (j *journal) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
}

// await blocks until ok returns true, asking after every change; it returns
// context.Cause(ctx) if ctx ends first.
func (j *journal) await(ctx context.Context, ok func() bool) error {
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
