package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/core"
)

// Fallback is a keyed call that has something to answer with while its backend
// is away: levels below the live call, asked from best to worst. [Try] begins
// one, each Then adds a level, and Get asks:
//
//	profiles := policy.Try(chain, users.Get).
//		ThenCached(store, "profiles").
//		ThenDefault(Profile{Name: "Guest"}).
//		ThenEmpty()
//	p, level, err := profiles.Get(ctx, id)
//
// # Building
//
// Each step returns a new Fallback and leaves the one it was called on as it
// was, so steps may branch. A mistake (no function, no level, levels in a wrong
// order, On without a level, a bucket that is the engines' own, ...) is kept
// until the end: [Fallback.Err] returns it, [Fallback.Must] panics with it, and
// Get returns it at once, without a call. Check one of them where the service
// starts. Make one Fallback per call and keep it: it holds what it remembers.
//
// # Which errors lead to a level
//
// A failure falls through to the levels below, an answer does not: Get returns
// it as it is. [IsFailure] says which is which, with two more failures here: the
// refusals of layers ([ErrOpen], [ErrFull], [ErrLimited]) and a cancellation that
// was not the caller's. So an error of the function that is of no kind of package
// core is a failure, and [core.ErrNotFound], [core.ErrDenied], [core.ErrInvalid]
// and the like are answers. A function says that its error is an answer by
// wrapping one of them:
//
//	return p, fmt.Errorf("%w: no user %q", core.ErrNotFound, id)
//
// [Fallback.On] limits a level to some kinds of error, or lets an answer lead to
// it.
//
// # The caller's own ctx
//
// A ctx that was cancelled is never answered: Get returns context.Cause(ctx) at
// once. A deadline of the caller that passes while the backend is silent is a
// failure of the backend, of kind [core.ErrUnavailable]: levels in memory answer
// then, without waiting for anything.
//
// # Callers share calls and answers
//
// Callers that ask for the same key at the same time share one call, which goes
// on as long as one of them waits: it sees the values of the first caller's ctx,
// but neither its deadline nor its end. Put a [Timeout] into the chain. What Get
// returns is shared with other callers and with later ones: what is in it must
// not be modified.
//
// A Fallback is safe for concurrent use.
type Fallback[K comparable, V any] struct {
	chain   *Chain
	fn      func(context.Context, K) (V, error)
	rungs   []rung[V]
	cache   *cacheSpec
	changed func(LevelChange)
	wrong   []error

	begin sync.Once
	life  *fallbackLife[K, V]
	err   error
}

// cacheSpec is what ThenCached was given.
type cacheSpec struct {
	store  core.CacheStore
	bucket string
	opts   CacheOptions
}

// Try begins a [Fallback] whose live level calls fn through chain. K is any
// comparable type without interfaces in it; with [Fallback.ThenCached] it must
// also have a text that outlives the process (see there). fn must be safe for
// concurrent use. A nil chain adds nothing, as everywhere. A Fallback needs at least one level below: add it with a Then.
func Try[K comparable, V any](chain *Chain, fn func(ctx context.Context, key K) (V, error)) *Fallback[K, V] {
	f := &Fallback[K, V]{chain: chain, fn: fn}
	if fn == nil {
		f.refuse("Try needs a function to call")
	}
	if err := comparableKey[K](); err != nil {
		f.refuse("%v", err)
	}
	return f
}

// ThenCached adds the level [core.Cached]: every live answer is remembered,
// in memory at once and in a bucket of store a moment later, and the last good
// one is served when the live call fails. opts may be left out; more than one is
// refused.
//
// The bucket belongs to this Fallback alone: records in it that it did not write
// are reported as corrupt and removed. Its name has 1 to 1024 bytes and doesn't
// start with "holdfast/". The store stays the user's and is not closed.
//
// K is written into the store as text: strings, numbers, booleans, types with a
// MarshalText method, and structs and arrays of these. Keys may hold anything and
// have any length: long ones are kept by their hash. The codec must be able to
// read what it wrote of a V; the default is JSON, for which V must not hold
// channels, functions, complex numbers or unexported fields alone.
//
// An answer of kind [core.ErrNotFound] makes the Fallback forget what it
// remembered for that key, unless On([core.ErrNotFound]) asks for it here.
func (f *Fallback[K, V]) ThenCached(store core.CacheStore, bucket string, opts ...CacheOptions) *Fallback[K, V] {
	f = f.then(rung[V]{level: core.Cached}, "ThenCached")
	spec := &cacheSpec{store: store, bucket: bucket}
	f.cache = spec
	switch {
	case len(opts) > 1:
		f.refuse("ThenCached takes one CacheOptions, not %d", len(opts))
	case len(opts) == 1:
		spec.opts = opts[0]
	}
	if store == nil {
		f.refuse("ThenCached needs a store")
	}
	switch {
	case bucket == "":
		f.refuse("ThenCached needs the name of a bucket")
	case len(bucket) > longestStoreName:
		f.refuse("ThenCached: the name of the bucket has %d bytes; %d are allowed", len(bucket), longestStoreName)
	case strings.HasPrefix(bucket, enginesBuckets):
		f.refuse("ThenCached: bucket %q: names that start with %q are the engines' own", bucket, enginesBuckets)
	}
	if err := spec.opts.validate(); err != nil {
		f.refuse("ThenCached: %v", err)
	}
	if err := storableKey[K](); err != nil {
		f.refuse("ThenCached: %v", err)
	}
	if spec.opts.Codec == nil {
		if err := jsonType[V](); err != nil {
			f.refuse("ThenCached: %v; give CacheOptions.Codec", err)
		}
	}
	return f
}

// ThenDefault adds the level [core.Default], which always answers with value.
func (f *Fallback[K, V]) ThenDefault(value V) *Fallback[K, V] {
	return f.then(rung[V]{level: core.Default, value: value}, "ThenDefault")
}

// ThenEmpty adds the level [core.Empty], which always answers with the zero
// value of V.
func (f *Fallback[K, V]) ThenEmpty() *Fallback[K, V] {
	return f.then(rung[V]{level: core.Empty}, "ThenEmpty")
}

// On limits the level that was added last to errors of the live call that are of
// one of the kinds, in the sense of errors.Is, and lets answers among them lead
// to it. A level that does not answer, for whatever reason, leaves the error to
// those below it.
//
// Besides the kinds of core and the errors of the chain ([ErrOpen], ...), these
// say something of every error, whoever made it: [core.ErrUnavailable] is also
// every error of the network and every timeout, context.DeadlineExceeded every
// timeout, and [ErrRefused] every connection that was refused. While a breaker
// is open the error is [ErrOpen], which says nothing of why it opened.
//
//	policy.Try(chain, users.Get).
//		ThenCached(store, "profiles").On(context.DeadlineExceeded, policy.ErrOpen).
//		ThenDefault(guest).On(policy.ErrRefused).
//		ThenEmpty() // every other failure
func (f *Fallback[K, V]) On(kinds ...error) *Fallback[K, V] {
	f = f.step()
	if len(f.rungs) == 0 {
		f.refuse("On before any level: it limits the level added last")
		return f
	}
	last := &f.rungs[len(f.rungs)-1]
	switch {
	case len(kinds) == 0:
		f.refuse("On without a kind of error: level %s would never answer", last.level)
	case slices.Contains(kinds, nil):
		f.refuse("On: nil is no kind of error")
	case last.kinds != nil:
		f.refuse("On twice for level %s: give all kinds at once", last.level)
	}
	last.kinds = slices.Clone(kinds)
	return f
}

// OnChange makes the Fallback call fn with one event per change of level; see
// [LevelChange] and [LogLevels]. Events come one at a time and in order, on a
// goroutine that lives only while there is something to tell: fn may block, but
// beyond 256 events that wait the newest are dropped. A panic in fn is swallowed.
// Only one OnChange is allowed.
func (f *Fallback[K, V]) OnChange(fn func(LevelChange)) *Fallback[K, V] {
	f = f.step()
	switch {
	case fn == nil:
		f.refuse("OnChange needs a function")
	case f.changed != nil:
		f.refuse("OnChange twice")
	}
	f.changed = fn
	return f
}

// Err returns what is wrong with how the Fallback was built, of kind
// [core.ErrInvalid], or nil if it can be used.
func (f *Fallback[K, V]) Err() error {
	wrong := f.wrong
	if len(f.rungs) == 0 {
		wrong = append(slices.Clip(wrong), mistake("no level below the live call: add ThenCached, ThenDefault or ThenEmpty"))
	}
	return errors.Join(wrong...)
}

// Must returns f, and panics with the error of Err if there is one.
func (f *Fallback[K, V]) Must() *Fallback[K, V] {
	if err := f.Err(); err != nil {
		panic(err)
	}
	return f
}

// step returns a copy to change: it shares no life with f.
func (f *Fallback[K, V]) step() *Fallback[K, V] {
	return &Fallback[K, V]{
		chain: f.chain, fn: f.fn, cache: f.cache, changed: f.changed,
		rungs: slices.Clone(f.rungs), wrong: slices.Clone(f.wrong),
	}
}

func (f *Fallback[K, V]) then(r rung[V], step string) *Fallback[K, V] {
	f = f.step()
	if n := len(f.rungs); n > 0 {
		switch last := f.rungs[n-1].level; {
		case slices.ContainsFunc(f.rungs, func(o rung[V]) bool { return o.level == r.level }):
			f.refuse("%s twice", step)
		case !last.AtLeast(r.level):
			f.refuse("%s after level %s; the order is ThenCached, ThenDefault, ThenEmpty", step, last)
		}
	}
	f.rungs = append(f.rungs, r)
	return f
}

func (f *Fallback[K, V]) refuse(format string, args ...any) {
	f.wrong = append(f.wrong, mistake(format, args...))
}

func mistake(format string, args ...any) error {
	return fmt.Errorf("policy: fallback: "+format+": %w", append(args, core.ErrInvalid)...)
}
