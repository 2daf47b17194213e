// Package provenance carries, within a context, where the answer of one request
// comes from: the worst level, and the greatest age, of all that went into it.
//
// Whoever begins a request puts a [Scope] into its ctx; a middleware of package
// gin does so. Whatever runs below it may add to the scope by [Note] and read it
// by [From], business code too: this package imports package core alone.
//
//	profile, err := profiles.Ask(ctx, id) // a policy.Fallback
//	provenance.Note(ctx, profile.Level, profile.Age)
package provenance

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Provenance says where an answer comes from.
type Provenance struct {
	// Level is the worst of all that went into the answer; [core.None] if nothing is
	// known to have.
	Level core.Level
	// Age is that of the oldest part of the answer that has one: what is at level
	// default or empty has none. It is never negative, and 0 if no part has an age.
	Age time.Duration
}

// Scope collects the [Provenance] of one answer. It is the ctx of its request: the
// Context that it was given, with itself as one more value. Make one by [Within],
// or as a part of something else with its Context set; it must not be copied once
// it is in use. It is safe for concurrent use.
type Scope struct {
	context.Context

	age   atomic.Int64
	level atomic.Uint32
}

type scopeKey struct{}

// Within returns a new scope within ctx. If ctx is within another one, what is
// noted in the new one is not noted there.
func Within(ctx context.Context) *Scope { return &Scope{Context: ctx} }

// Value implements context.Context.
func (s *Scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// Note adds something to what the answer is made of. The worst level and the
// greatest age win, whatever the order. A level that is none ([core.None]
// included: no answer went into the answer) adds nothing; a negative age is 0, and
// one of a level below [core.Cached] is ignored.
func (s *Scope) Note(level core.Level, age time.Duration) {
	if level == core.None || level > core.Empty {
		return
	}
	// The age first, so that who sees the level sees the age that it came with.
	if level.AtLeast(core.Cached) {
		for was := s.age.Load(); int64(age) > was && !s.age.CompareAndSwap(was, int64(age)); was = s.age.Load() {
		}
	}
	for was := s.level.Load(); ; was = s.level.Load() {
		worst := level
		if was != uint32(core.None) {
			worst = level.Worse(core.Level(was))
		}
		if uint32(worst) == was || s.level.CompareAndSwap(was, uint32(worst)) {
			return
		}
	}
}

// Provenance returns what was noted so far.
func (s *Scope) Provenance() Provenance {
	level := core.Level(s.level.Load()) // before the age, see Note
	return Provenance{Level: level, Age: time.Duration(s.age.Load())}
}

// From returns what was noted so far in the scope that ctx is within; ok is false
// if it is within none. It is safe for concurrent use.
func From(ctx context.Context) (p Provenance, ok bool) {
	s, ok := ctx.Value(scopeKey{}).(*Scope)
	if !ok {
		return Provenance{}, false
	}
	return s.Provenance(), true
}

// Note adds to the scope that ctx is within; see [Scope.Note]. Without one it does
// nothing, so that code need not know who calls it. It is safe for concurrent use.
func Note(ctx context.Context, level core.Level, age time.Duration) {
	if s, ok := ctx.Value(scopeKey{}).(*Scope); ok {
		s.Note(level, age)
	}
}
