package holdfast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// binding is the part of a [Value] that doesn't know its type. The raw state of
// its keys and the accepted state are kept apart, so that a later good key is
// combined with the newest raw state.
type binding struct {
	config  *Config
	path    string
	fresh   func() any                               // a *T that holds the default
	equal   func(to any) bool                        // whether the value served is the same
	accept  func(ctx context.Context, now any) error // nil if nothing has to be proven
	publish func(now any)

	acceptTimeout time.Duration

	evaluating sync.Mutex // one evaluation at a time

	// Guarded by config.mu.
	raw      map[string]rawValue
	dirty    bool              // raw, or what stands behind it, changed
	running  bool              // a goroutine evaluates
	rounds   uint64            // how often that goroutine has evaluated
	from     core.Level        // Live (the source, see level), Cached or Default (None at first)
	accepted map[string][]byte // the raw keys of the value served
	refusal  map[string][]byte // the raw keys last refused, nil if none stand
	damaged  *configRecord     // the cached value that was refused
	revision core.Revision
	savedAt  time.Time
	since    time.Time
	err      error
	refused  uint64
}

// rawValue is one key as the source had it last.
type rawValue struct {
	value []byte // nil if it was never readable
	bad   error  // why it is not readable now
	held  bool   // missing in the source, but held
}

// input is what an evaluation looks at, taken at one moment.
type input struct {
	raw      map[string][]byte
	bad      error
	listed   bool
	replica  bool
	revision core.Revision
	record   *configRecord
}

func (b *binding) input() input {
	c := b.config
	c.mu.Lock()
	defer c.mu.Unlock()
	b.dirty = false
	in := input{raw: make(map[string][]byte, len(b.raw)), listed: c.answered, replica: c.level == core.Replica, revision: c.revision, record: c.cached[b.path]}
	for k, r := range b.raw {
		if r.value != nil {
			in.raw[k] = r.value
		}
		if r.bad != nil {
			in.bad = errors.Join(in.bad, &keyError{k, r.bad})
		}
	}
	return in
}

// evaluate brings the value up to date with what is known now.
func (b *binding) evaluate(ctx context.Context) {
	b.evaluating.Lock()
	defer b.evaluating.Unlock()
	in := b.input()
	if in.listed && !b.newerInCache(in) {
		if b.fromSource(ctx, in) {
			return
		}
	}
	b.fromCache(in)
}

// newerInCache reports whether a cached value is newer than what a member
// without quorum answered.
func (b *binding) newerInCache(in input) bool {
	if !in.replica || in.record == nil {
		return false
	}
	c, ok := core.As[core.Comparer](b.config.src)
	if !ok {
		return false
	}
	n, ok := c.Compare(in.revision, in.record.revision)
	return ok && n < 0
}

// fromSource serves what the source says, and reports whether the binding has a
// value now that nothing else needs to replace.
func (b *binding) fromSource(ctx context.Context, in input) bool {
	from, accepted, refusal := b.state()
	if from == core.Live && sameKeys(accepted, in.raw) {
		b.settle(in.bad)
		return true
	}
	if refusal != nil && sameKeys(refusal, in.raw) {
		return from != core.None
	}
	now, found, err := b.read(in.raw)
	if err == nil && found && b.accept != nil && !b.equal(now) {
		err = b.ask(ctx, now)
	}
	if err == nil && in.bad != nil && !found {
		err = in.bad
	}
	if err != nil {
		if ctx.Err() == nil {
			b.refuse(in.raw, err)
		}
		return from != core.None
	}
	level := core.Live
	if !found {
		level = core.Default
	}
	b.serve(now, level, in, time.Now())
	b.settle(in.bad)
	return true
}

// fromCache serves the accepted state of an earlier run, if nothing better was
// served yet.
func (b *binding) fromCache(in input) {
	from, _, _ := b.state()
	if in.record == nil || in.record == b.damaged || (from != core.None && (from != core.Default || in.listed)) {
		return
	}
	now, found, err := b.read(in.record.keys)
	switch {
	case err != nil:
		b.refuseCached(in.record, fmt.Errorf("the cached value: %w", err))
	case found:
		in.raw, in.revision = in.record.keys, in.record.revision
		b.serve(now, core.Cached, in, in.record.savedAt)
	}
}

// read makes a value of raw keys, validated.
func (b *binding) read(raw map[string][]byte) (now any, found bool, err error) {
	now = b.fresh()
	err = shielded("decoding or validating", func() (err error) {
		if found, err = decode(b.path, raw, now); err == nil && found {
			err = b.config.validate(now)
		}
		return err
	})
	return now, found, err
}

// ask lets the user's hook prove the value. A hook that does not heed its ctx is
// left behind: Close awaits it.
func (b *binding) ask(ctx context.Context, now any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.acceptTimeout, errNotProven)
	defer cancel()
	proven := make(chan error, 1)
	if !b.config.spawn(func() { proven <- shielded("Accept", func() error { return b.accept(ctx, now) }) }) {
		return core.ErrClosed
	}
	select {
	case err := <-proven:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errNotProven = errors.New("the Accept function did not answer in time")

func (b *binding) state() (from core.Level, accepted, refusal map[string][]byte) {
	b.config.mu.Lock()
	defer b.config.mu.Unlock()
	return b.from, b.accepted, b.refusal
}

// serve makes now the value, and has it saved if it came from the source.
func (b *binding) serve(now any, level core.Level, in input, at time.Time) {
	c := b.config
	changed := !b.equal(now)
	c.mu.Lock()
	if changed || b.from != level {
		b.since = time.Now()
	}
	b.from, b.accepted, b.revision, b.savedAt = level, in.raw, in.revision, at
	if level != core.Cached {
		b.refusal = nil // what the source says now stays refused beside a cached value
	}
	switch level {
	case core.Live:
		c.saveLocked(b, at)
	case core.Default:
		b.revision = ""
		if !in.replica {
			c.forgetLocked(b)
		}
	}
	c.unlock()
	if changed {
		b.publish(now)
	}
}

// refuse keeps the value and says why.
func (b *binding) refuse(raw map[string][]byte, err error) {
	c := b.config
	c.mu.Lock()
	b.refusal, b.err = raw, err
	b.refused++
	c.mu.Unlock()
	b.tellRefusal(err)
}

// refuseCached notes, once, that the cached value can't be served. Why the
// source's newest was refused is worth more than that.
func (b *binding) refuseCached(record *configRecord, err error) {
	c := b.config
	c.mu.Lock()
	b.damaged = record
	if b.refusal == nil {
		b.err = err
	}
	b.refused++
	c.mu.Unlock()
	b.tellRefusal(err)
}

func (b *binding) tellRefusal(err error) {
	c := b.config
	if p, ok := errors.AsType[*panicked](err); ok {
		c.jrnl.record(Event{Kind: EventPanic, Part: "config", Key: b.path, Err: err, Detail: p.stack})
	}
	c.jrnl.record(Event{Kind: EventRefused, Part: "config", Key: b.path, Err: err, Detail: "the last good value stays"})
}

// settle ends a refusal, or marks keys that can't be read while their last good
// value stays.
func (b *binding) settle(bad error) {
	c := b.config
	c.mu.Lock()
	before := b.err
	b.err, b.refusal = bad, nil
	if bad != nil && before == nil {
		b.refused++
	}
	c.mu.Unlock()
	switch {
	case before == nil && bad != nil:
		c.jrnl.record(Event{Kind: EventRefused, Part: "config", Key: b.path, Err: bad, Detail: "the last good value stays"})
	case before != nil && bad == nil:
		c.jrnl.record(Event{Kind: EventAccepted, Part: "config", Key: b.path, Detail: "the newest value is served again"})
	}
}

// poke has the binding evaluated soon, in a goroutine that lives while there is
// something to evaluate. The caller holds config.mu.
func (b *binding) poke() {
	b.dirty = true
	if b.running {
		return
	}
	b.running = b.config.spawnLocked(func() {
		for {
			b.evaluate(b.config.ctx)
			b.config.mu.Lock()
			b.rounds++
			b.running = b.dirty && !b.config.closed
			running := b.running
			b.config.mu.Unlock()
			b.config.jrnl.wake()
			if !running {
				return
			}
		}
	})
}

// Status says where the value comes from.
func (b *binding) Status() ValueStatus {
	c := b.config
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ValueStatus{Path: b.path, Level: b.from, Revision: b.revision, Since: b.since, Err: b.err, Refused: b.refused}
	s.Held = b.heldLocked()
	switch b.from {
	case core.None:
		s.Level = core.Default
	case core.Live:
		s.Level = c.level
		if s.Held && c.consistent {
			s.Level = core.Memory
		} else if s.Held {
			s.Level = core.Cached // held from an earlier run, beside what a member without quorum answered
		} else if c.level == core.Memory && c.inSync {
			s.Level = core.Live // other keys are held, not these
		}
		s.Age = since(c.lastSync)
		if c.levelSince.After(s.Since) {
			s.Since = c.levelSince
		}
	case core.Cached:
		s.Age = since(b.savedAt)
	}
	return s
}

// heldLocked reports whether the source lacks a key of this binding that is held.
func (b *binding) heldLocked() bool {
	if b.config.held == 0 {
		return false
	}
	for _, r := range b.raw {
		if r.held {
			return true
		}
	}
	return false
}

// since is the time since t, never negative: the clock that stamped t may have
// been ahead.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t))
}

func sameKeys(a, b map[string][]byte) bool {
	return a != nil && maps.EqualFunc(a, b, bytes.Equal)
}
