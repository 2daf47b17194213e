package policy

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Event is one change of a breaker's state.
type Event struct {
	From, To    BreakerState
	At          time.Time
	Until       time.Time // when an open breaker lets the next call through as a probe; zero otherwise
	FailureRate float64   // of the state that ended, 0 to 1
	Err         error     // the failure that opened the breaker; nil otherwise, and after a panic
}

// pending is how many events may wait for slow receivers.
const pending = 256

// bell tells receivers about events: one after the other, in order, on a
// goroutine that lives only as long as there is something to tell, so that a
// receiver that is slow or hangs harms no call. The zero value is ready.
type bell struct {
	mu        sync.Mutex
	receivers []*func(Event)
	queue     []Event
	ringing   bool
	event     Event          // the one that is being told
	untold    []*func(Event) // who is still to be told about it
}

// OnChange calls f once for each change of state of the chain's breaker, until
// stop is called. Events come one at a time and in order, on a goroutine of
// their own: f may block and may use the chain, but the events that come
// meanwhile wait, and beyond 256 the newest are dropped. A panic in f is
// swallowed. After stop has returned no call of f begins, though one may still be
// running. Without a breaker, or on a nil chain, f is never called.
func (c *Chain) OnChange(f func(Event)) (stop func()) {
	if c == nil || f == nil {
		return func() {}
	}
	return c.bell.add(f)
}

// LogTo returns a function for [Chain.OnChange] that logs each change of state:
// an opening breaker as a warning, the others as information. The name says
// which chain it is; a nil logger logs nothing.
//
//	stop := chain.OnChange(policy.LogTo(logger, "users"))
func LogTo(logger *slog.Logger, name string) func(Event) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return func(e Event) {
		level, attrs := slog.LevelInfo, []slog.Attr{
			slog.String("chain", name), slog.String("from", e.From.String()), slog.String("to", e.To.String()),
			slog.Float64("failure_rate", e.FailureRate),
		}
		if e.To == Open {
			level = slog.LevelWarn
			attrs = append(attrs, slog.Time("until", e.Until))
			if e.Err != nil {
				attrs = append(attrs, slog.Any("error", e.Err))
			}
		}
		logger.LogAttrs(context.Background(), level, "policy: breaker is "+e.To.String(), attrs...)
	}
}

func (b *bell) add(f func(Event)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &f
	b.receivers = append(b.receivers, p)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		// A copy: untold is a part of the old slice.
		b.receivers = slices.DeleteFunc(slices.Clone(b.receivers), func(q *func(Event)) bool { return q == p })
	}
}

// tell queues an event. It never blocks.
func (b *bell) tell(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.receivers) == 0 || len(b.queue) >= pending {
		return
	}
	b.queue = append(b.queue, e)
	if !b.ringing {
		b.ringing = true
		go b.ring()
	}
}

// ring tells what is queued, and ends.
func (b *bell) ring() {
	done := false
	defer func() {
		if !done { // a receiver ended the goroutine with runtime.Goexit
			go b.ring()
		}
	}()
	for {
		f, e, ok := b.next()
		if !ok {
			done = true
			return
		}
		call(f, e)
	}
}

// next returns who is to be told what; ok is false when all is told.
func (b *bell) next() (f func(Event), e Event, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.untold) > 0 {
			p := b.untold[0]
			b.untold = b.untold[1:]
			if slices.Contains(b.receivers, p) { // not stopped since
				return *p, b.event, true
			}
		}
		if len(b.queue) == 0 {
			b.ringing, b.queue = false, nil
			return nil, Event{}, false
		}
		b.event, b.queue, b.untold = b.queue[0], b.queue[1:], b.receivers
	}
}

// call survives a receiver.
func call(f func(Event), e Event) {
	defer func() { _ = recover() }()
	f(e)
}
