package holdfast

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// This file is the sink of a Config's follower: the raw set, and the guard that
// holds what a list after trouble lacks.

// listed replaces the set: ghosts go, unless the guard holds them.
func (c *Config) listed(s core.Snapshot[[]byte], again bool) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return // a driver that ignores its ctx may still tell something
	}
	c.lists++
	if s.Replica && c.consistent {
		return // what is in memory was consistent, and this may be older
	}
	hold := c.holdLocked(s, again || s.Replica)
	if !s.Replica {
		c.lastSync = time.Now()
		if c.inSync = c.hearing.listed(); c.inSync {
			c.err = nil
		}
	} else {
		c.lastSync, c.err = time.Now(), errNoQuorum
	}
	c.revision = s.Revision
	first := !c.answered
	c.answered = true
	c.replaceLocked(s, hold)
	c.consistent = c.consistent || !s.Replica
	for _, b := range c.bindings {
		if first || b.from != core.Live {
			b.poke()
		}
	}
	c.refreshLocked()
	c.relevelLocked(c.err)
}

// holdLocked returns the keys to hold, with their last good values: those held
// before, and all that a list after trouble lacks if that is more than half of
// what was known.
func (c *Config) holdLocked(s core.Snapshot[[]byte], trouble bool) map[string][]byte {
	hold := make(map[string][]byte)
	if !trouble {
		return hold
	}
	known := make(map[string][]byte, len(c.set))
	if !c.answered {
		for _, r := range c.cached {
			maps.Copy(known, r.keys)
		}
	}
	for k, r := range c.set {
		if r.value != nil {
			known[k] = r.value
		}
	}
	missing := make(map[string][]byte)
	for k, v := range known {
		_, there := s.Items[k]
		_, bad := s.Bad[k]
		if there || bad {
			continue
		}
		missing[k] = v
		if c.set[k].held {
			hold[k] = v
		}
	}
	if len(missing)*2 > len(known) {
		return missing
	}
	return hold
}

// replaceLocked makes the set what a list found, plus what is held.
func (c *Config) replaceLocked(s core.Snapshot[[]byte], hold map[string][]byte) {
	for k := range c.set {
		_, there := s.Items[k]
		_, bad := s.Bad[k]
		_, held := hold[k]
		if !there && !bad && !held {
			c.dropLocked(k)
		}
	}
	for k, v := range s.Items {
		c.putLocked(k, v)
	}
	for k, err := range s.Bad {
		c.badLocked(k, err)
	}
	before := c.held
	for k, v := range hold {
		if !c.set[k].held {
			c.storeLocked(k, rawValue{value: v, held: true})
		}
	}
	if c.held > before {
		c.note(Event{Kind: EventHeld, Part: "config",
			Detail: fmt.Sprintf("%d of %d known keys are missing after trouble: held until they return or Config.AcceptMissing is called", c.held, len(c.set))})
	}
}

// updated applies one step of a watch.
func (c *Config) updated(u core.Update[[]byte]) {
	if u.Reset {
		c.mu.Lock()
		c.hearing.stepped()
		c.mu.Unlock()
		c.listed(core.Snapshot[[]byte]{Items: u.Put, Bad: u.Bad, Revision: u.Revision}, true)
		return
	}
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return
	}
	c.hearing.stepped()
	c.lastSync, c.revision, c.inSync, c.err = time.Now(), u.Revision, true, nil
	if u.Heartbeat() {
		c.relevelLocked(nil)
		return
	}
	c.changes++
	for _, k := range u.Delete {
		c.dropLocked(k)
	}
	for k, v := range u.Put {
		c.putLocked(k, v)
	}
	for k, err := range u.Bad {
		c.badLocked(k, err)
	}
	c.relevelLocked(nil)
}

// failed notes that the set is not in sync.
func (c *Config) failed(err error) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return
	}
	c.hearing.failed()
	c.notes = append(c.notes, complaints("config", err, c.err)...)
	c.inSync, c.err = false, err
	c.relevelLocked(err)
}

func (c *Config) putLocked(key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	if old, ok := c.set[key]; ok && old.value != nil && old.bad == nil && !old.held && bytes.Equal(old.value, value) {
		return
	}
	c.storeLocked(key, rawValue{value: value})
}

// badLocked keeps the last good value of a key that can't be read: at first, that
// of an earlier run.
func (c *Config) badLocked(key string, err error) {
	value := c.set[key].value
	if _, ok := c.set[key]; !ok && !c.consistent {
		for _, r := range c.cached {
			if v, ok := r.keys[key]; ok {
				value = v
			}
		}
	}
	c.storeLocked(key, rawValue{value: value, bad: err})
}

func (c *Config) storeLocked(key string, r rawValue) {
	c.countHeld(c.set[key].held, r.held)
	c.set[key] = r
	for _, b := range c.bindings {
		if covers(b.path, key) {
			b.raw[key] = r
			b.poke()
		}
	}
}

func (c *Config) dropLocked(key string) {
	old, ok := c.set[key]
	if !ok {
		return
	}
	c.countHeld(old.held, false)
	delete(c.set, key)
	for _, b := range c.bindings {
		if _, ok := b.raw[key]; ok {
			delete(b.raw, key)
			b.poke()
		}
	}
}

func (c *Config) countHeld(before, now bool) {
	switch {
	case before && !now:
		if c.held--; c.held == 0 {
			c.note(Event{Kind: EventReleased, Part: "config", Detail: "no key is held any more"})
		}
	case !before && now:
		c.held++
	}
}

// relevelLocked works out the level and records a change of it.
func (c *Config) relevelLocked(err error) {
	level := c.level
	switch {
	case !c.answered:
	case !c.consistent:
		level = core.Replica
	case c.inSync && c.held == 0:
		level = core.Live
	default:
		level = core.Memory
	}
	if level != c.level {
		c.level = level
	}
	now := c.levelLocked()
	if now == c.reported || (!c.answered && c.err == nil) {
		return // before the first answer there is nothing to tell
	}
	c.levelSince = time.Now()
	from := c.reported
	c.reported = now
	detail := ""
	if c.inSync && c.held > 0 {
		detail = "held"
	}
	c.note(Event{Kind: EventLevel, Part: "config", From: from, To: now, Detail: detail, Err: err})
}
