package policy

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Answer is what [Fallback.Ask] found.
type Answer[V any] struct {
	Value V
	// Level says where Value comes from: [core.Live], [core.Cached],
	// [core.Default] or [core.Empty].
	Level core.Level
	// Age is how long ago a cached Value was a live answer, never negative; zero
	// for every other level.
	Age time.Duration
	// Cause is why the live call did not answer; nil for [core.Live].
	Cause error
}

// Get asks for the value of a key: the live call first, then the levels below,
// and says which one answered. The level is [core.None] exactly if err is not
// nil, and the value is the zero value then.
//
// Errors: what the live call said, as it is, when that is an answer (see
// [Fallback]); a [*NoAnswerError] when no level answered; context.Cause(ctx) when
// ctx was cancelled; [core.ErrInvalid] for a Fallback that was built wrongly;
// [core.ErrClosed] after Close. A panic of the function is a panic of every caller
// that waits for it, with a [*PanicError].
func (f *Fallback[K, V]) Get(ctx context.Context, key K) (V, core.Level, error) {
	a, err := f.Ask(ctx, key)
	return a.Value, a.Level, err
}

// Ask is Get with more to know about the answer.
func (f *Fallback[K, V]) Ask(ctx context.Context, key K) (Answer[V], error) {
	l, err := f.alive()
	if err != nil {
		return Answer[V]{}, err
	}
	asked := time.Now()
	v, err := l.live(ctx, key)
	if err == nil {
		l.tally.answered(0, core.Live, 0, asked, nil)
		return Answer[V]{Value: v, Level: core.Live}, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return Answer[V]{}, context.Cause(ctx)
	}
	if errors.Is(err, core.ErrClosed) && l.flights.ended() {
		return Answer[V]{}, err
	}
	l.tally.failed(0, err)
	return l.below(ctx, key, asked, err)
}

// fallbackLife is what a Fallback is while it is used.
type fallbackLife[K comparable, V any] struct {
	chain   *Chain
	fn      func(context.Context, K) (V, error)
	rungs   []rung[V]
	keyText func(K) (string, error) // nil without memory
	memory  *remembered[V]          // nil without the level cached
	keep    bool                    // a NotFound does not make it forget
	flights flights[K, V]
	tally   tally
}

// alive begins the life at the first use.
func (f *Fallback[K, V]) alive() (*fallbackLife[K, V], error) {
	f.begin.Do(func() {
		if f.err = f.Err(); f.err != nil {
			return
		}
		l := &fallbackLife[K, V]{chain: f.chain, fn: f.fn, rungs: f.rungs}
		l.tally.init(len(f.rungs)+1, f.changed)
		if f.cache != nil {
			l.keyText = keyWriter[K]()
			l.memory = newRemembered[V](f.cache)
			for _, r := range f.rungs {
				l.keep = l.keep || r.level == core.Cached && r.wants(core.ErrNotFound)
			}
		}
		f.life = l
	})
	return f.life, f.err
}

// live makes the live call, or joins one for the same key, and remembers what it
// answers.
func (l *fallbackLife[K, V]) live(ctx context.Context, key K) (V, error) {
	if ctx.Err() != nil {
		var zero V
		return zero, late(ctx)
	}
	return l.flights.join(ctx, key, l.call, l.remember)
}

func (l *fallbackLife[K, V]) call(ctx context.Context, key K) (V, error) {
	if l.memory != nil {
		// Reading the bucket costs no time while the backend is asked.
		l.memory.prepare()
	}
	return Call(ctx, l.chain, func(ctx context.Context) (V, error) { return l.fn(ctx, key) })
}

// remember is called with what a call answered, before its callers are.
func (l *fallbackLife[K, V]) remember(key K, v V, err error) {
	if l.memory == nil || (err != nil && (l.keep || !errors.Is(err, core.ErrNotFound))) {
		return
	}
	text, badKey := l.keyText(key)
	switch {
	case badKey != nil:
	case err != nil:
		l.memory.forget(text)
	default:
		l.memory.remember(text, v)
	}
}

// below asks the levels below the live call, which failed with cause.
func (l *fallbackLife[K, V]) below(ctx context.Context, key K, asked time.Time, cause error) (Answer[V], error) {
	said := []LevelError{{Level: core.Live, Err: cause}}
	led := false
	for i, r := range l.rungs {
		if !r.follows(cause) {
			said = append(said, LevelError{Level: r.level, Err: errNotAsked})
			continue
		}
		led = true
		a := Answer[V]{Value: r.value, Level: r.level, Cause: cause}
		if r.level == core.Cached {
			var err error
			if a.Value, a.Age, err = l.recall(ctx, key); err != nil {
				if errors.Is(ctx.Err(), context.Canceled) {
					return Answer[V]{}, context.Cause(ctx)
				}
				l.tally.failed(i+1, err)
				said = append(said, LevelError{Level: r.level, Err: err})
				continue
			}
		}
		l.tally.answered(i+1, r.level, a.Age, asked, cause)
		return a, nil
	}
	if !led && !leadsOn(cause) {
		return Answer[V]{}, cause
	}
	l.tally.unanswered(asked, cause)
	return Answer[V]{}, &NoAnswerError{Levels: said}
}

func (l *fallbackLife[K, V]) recall(ctx context.Context, key K) (v V, age time.Duration, err error) {
	text, err := l.keyText(key)
	if err != nil {
		return v, 0, err
	}
	return l.memory.recall(ctx, text)
}

// late is the error of a caller whose ctx ended while the backend was silent.
func late(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return cause
	}
	return &compound{errLate, cause}
}

var errLate error = &sentinel{
	"policy: the caller's deadline passed before the backend answered",
	[]error{core.ErrUnavailable, context.DeadlineExceeded},
}

// Flush writes what waits to be written into the store now, and returns when it
// is durable. Errors: the store's, in which case everything still waits;
// context.Cause(ctx). Without [Fallback.ThenCached] it does nothing.
func (f *Fallback[K, V]) Flush(ctx context.Context) error {
	l, err := f.alive()
	if err != nil || l.memory == nil {
		return err
	}
	return l.memory.flush(ctx)
}

// Close ends calls in flight, flushes, and awaits the goroutines of the Fallback,
// within ctx and two seconds; later uses return [core.ErrClosed]. The chain and
// the store are the user's and stay as they are. Call it when no Get runs any
// more: the callers of one that does get [core.ErrClosed]. A second Close returns
// nil.
//
// A Fallback without Close leaks nothing once its store took what was
// remembered: its goroutine lives only while something waits to be written.
func (f *Fallback[K, V]) Close(ctx context.Context) error {
	l, err := f.alive()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err = l.flights.close(ctx)
	if l.memory != nil {
		err = errors.Join(err, l.memory.close(ctx))
	}
	return err
}
