package holdfast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/holdfast-go/holdfast/core"
)

// Defaults of the engines' options.
const (
	defaultRequestTimeout = 2 * time.Second
	defaultResync         = 5 * time.Minute
	defaultSuspectFor     = 10 * time.Minute
)

// ConfigOptions refine [OpenConfig]. The zero value works.
type ConfigOptions struct {
	// Cache keeps accepted values for the next start. Default none.
	Cache core.CacheStore
	// CacheScope keeps apart what shares a cache store and an Origin but must not
	// share values (two tenants, say). Default "".
	CacheScope string
	// RequestTimeout is the deadline of one list. Never negative. Default 2 s.
	RequestTimeout time.Duration
	// RecoverySpread is what the first lists of many processes are spread over when
	// a backend comes back. Default 1.5 s; negative is off.
	RecoverySpread time.Duration
	// Resync is how often everything is listed again while all is well, +-20 %,
	// because watches of some servers lose events. Default 5 min; negative is never.
	Resync time.Duration
	// Logger gets one line per change. Default slog.Default().
	Logger *slog.Logger
}

// Config keeps configuration in step with its source and serves it to the
// values made by [Bind]. It is safe for concurrent use.
type Config struct {
	src       core.ConfigSource
	jrnl      *journal
	keeper    *keeper
	bucket    string
	validator *validator.Validate
	ctx       context.Context // ends at Close; a field because goroutines begin at any time
	cancel    context.CancelCauseFunc
	wg        sync.WaitGroup
	ownKeeper bool
	looked    chan struct{} // closed when the cache store was asked for the first time

	mu         sync.Mutex
	closed     bool
	bindings   []*binding
	set        map[string]rawValue
	held       int
	answered   bool // a list was
	consistent bool // listed with quorum at least once
	inSync     bool
	hearing    hearing
	level      core.Level // of the set, once listed
	levelSince time.Time
	reported   core.Level
	lastSync   time.Time
	revision   core.Revision
	err        error
	lists      uint64
	changes    uint64
	cached     map[string]*configRecord
	notes      []Event    // recorded by unlock: a logger may call back
	woken      core.Level // the level that waiters last saw
}

// note keeps an event for unlock. The caller holds mu.
func (c *Config) note(e Event) { c.notes = append(c.notes, e) }

// unlock releases mu, then records what was noted and wakes who waits for a
// level.
func (c *Config) unlock() {
	notes, level := c.notes, c.levelLocked()
	changed := level != c.woken
	c.notes, c.woken = nil, level
	c.mu.Unlock()
	for _, e := range notes {
		c.jrnl.record(e)
	}
	if changed && len(notes) == 0 {
		c.jrnl.wake()
	}
}

// OpenConfig keeps configuration without a [Service]. It returns at once;
// [Config.WaitLevel] waits. The error is a mistake of the program: no source, or
// a negative RequestTimeout.
func OpenConfig(src core.ConfigSource, opts ConfigOptions) (*Config, error) {
	if missing(src) {
		return nil, fmt.Errorf("holdfast: %w: OpenConfig needs a configuration source, and got nil", core.ErrInvalid)
	}
	if opts.RequestTimeout < 0 {
		return nil, fmt.Errorf("holdfast: %w: ConfigOptions.RequestTimeout is %v; give a positive one, or 0 for the default", core.ErrInvalid, opts.RequestTimeout)
	}
	j := newJournal(opts.Logger)
	c := openConfig(src, opts, j, newKeeper(opts.Cache, j))
	c.ownKeeper = true
	return c, nil
}

// openConfig is OpenConfig with a journal and a keeper of a service. src may be
// nil: then nothing can be bound.
func openConfig(src core.ConfigSource, opts ConfigOptions, j *journal, k *keeper) *Config {
	c := &Config{
		src: src, jrnl: j, keeper: k,
		validator: validator.New(validator.WithRequiredStructEnabled()),
		looked:    make(chan struct{}),
		set:       make(map[string]rawValue),
		cached:    make(map[string]*configRecord),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	if src == nil {
		close(c.looked)
		return c
	}
	c.bucket = bucketName("config", src.Origin(), opts.CacheScope)
	f := &follower[[]byte]{
		list:   cacheFirst(c.ctx, c.looked, anyAnswer, src.Load),
		watch:  src.Watch,
		sink:   c,
		resync: orDefault(opts.Resync, defaultResync),
		pace: pace{
			timeout: orDefault(opts.RequestTimeout, defaultRequestTimeout),
			spread:  orDefault(opts.RecoverySpread, longestSpread),
		},
	}
	c.wg.Go(c.loadCache)
	c.wg.Go(func() { f.run(c.ctx) })
	return c
}

// anyAnswer: a key may be unreadable, or a value refused, or most keys missing.
func anyAnswer(core.Snapshot[[]byte]) bool { return true }

// orDefault reads an option: zero is the default, negative is zero.
func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}

// attach adds a binding and gives it its first value.
func (c *Config) attach(b *binding) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return core.ErrClosed
	}
	if slices.ContainsFunc(c.bindings, func(o *binding) bool { return o.path == b.path }) {
		c.mu.Unlock()
		return fmt.Errorf("%w: this path is bound already; share the first *Value", core.ErrInvalid)
	}
	for k, r := range c.set {
		if covers(b.path, k) {
			b.raw[k] = r
		}
	}
	c.bindings = append(c.bindings, b)
	c.mu.Unlock()
	b.evaluate(c.ctx)
	return nil
}

// spawn runs f in a goroutine that Close awaits; it reports false after Close.
func (c *Config) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spawnLocked(f)
}

func (c *Config) spawnLocked(f func()) bool {
	if c.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

// ConfigStatus says how a [Config] does.
type ConfigStatus struct {
	// Origin is the source's name for what is read.
	Origin string
	// Level is the best that newly read values can have now.
	Level core.Level
	// Revision of the set that is held in memory.
	Revision core.Revision
	// Since is when the level began.
	Since time.Time
	// Age is how long ago the backend last confirmed the set, at level cached in the
	// life of an earlier process; never negative, and 0 if it never did.
	Age time.Duration
	// Err is why the last list failed or the last watch ended; nil while in sync.
	Err error
	// Keys counts the keys in memory, Held those of them that the backend lacks but
	// a list after trouble lacked too many to be believed.
	Keys, Held int
	// Bad names the keys that can't be read now; their last good value stays.
	Bad []string
	// Lists and Changes count full lists and steps of watches that changed
	// something.
	Lists, Changes uint64
	// Values are the bound values by path.
	Values []ValueStatus
}

// Status returns one consistent picture.
func (c *Config) Status() ConfigStatus {
	if c.src == nil {
		return ConfigStatus{Level: core.Empty}
	}
	c.mu.Lock()
	s := ConfigStatus{
		Origin: c.src.Origin(), Level: c.levelLocked(), Revision: c.revision, Since: c.levelSince, Age: since(c.lastSync), Err: c.err,
		Keys: len(c.set), Held: c.held, Lists: c.lists, Changes: c.changes,
	}
	if s.Level == core.Cached {
		s.Age = since(c.newestRecordLocked())
	}
	for k, r := range c.set {
		if r.bad != nil {
			s.Bad = append(s.Bad, k)
		}
	}
	bindings := slices.Clone(c.bindings)
	c.mu.Unlock()
	slices.Sort(s.Bad)
	slices.SortFunc(bindings, func(a, b *binding) int { return strings.Compare(a.path, b.path) })
	s.Values = slices.Grow(s.Values, len(bindings))
	for _, b := range bindings {
		s.Values = append(s.Values, b.Status())
	}
	return s
}

// Level returns the level of the configuration as a whole; see [ConfigStatus].
func (c *Config) Level() core.Level {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.levelLocked()
}

func (c *Config) levelLocked() core.Level {
	switch {
	case c.answered:
		return c.level
	case len(c.cached) > 0:
		return core.Cached
	}
	return core.Default
}

// settled reports whether Start need not wait any longer: all is well, or the
// backend failed and there is something to serve.
func (c *Config) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	level := c.levelLocked()
	return level == core.Live || c.err != nil && level.AtLeast(core.Cached)
}

// WaitLevel blocks until the configuration is at least at level min and every
// bound value was brought up to date with it (or was refused, see
// [ValueStatus.Err]). It returns context.Cause(ctx) if ctx ends first, or
// [core.ErrClosed] after Close.
func (c *Config) WaitLevel(ctx context.Context, min core.Level) error {
	closed := false
	err := c.jrnl.await(ctx, func() bool {
		closed = c.ctx.Err() != nil
		return closed || c.Level().AtLeast(min)
	})
	if err == nil && closed {
		return fmt.Errorf("holdfast: config: %w", core.ErrClosed)
	}
	if err == nil {
		err = c.awaitBindings(ctx)
	}
	return err
}

// AcceptMissing believes that the keys held as missing are gone: values that
// have no key left go back to their default. It waits until that is served, at
// most until ctx ends or the Config is closed.
func (c *Config) AcceptMissing(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fmt.Errorf("holdfast: config: %w", core.ErrClosed)
	}
	for k, r := range c.set {
		if r.held {
			c.dropLocked(k)
		}
	}
	c.relevelLocked(nil)
	c.unlock()
	return c.awaitBindings(ctx)
}

// awaitBindings waits until every binding has taken in what the source has said
// by now.
func (c *Config) awaitBindings(ctx context.Context) error {
	c.mu.Lock()
	busy := make(map[*binding]uint64) // and the round after which it is done
	for _, b := range c.bindings {
		if b.running {
			busy[b] = b.rounds + 2 // the round that runs may have looked before
		}
	}
	c.mu.Unlock()
	closed := false
	err := c.jrnl.await(ctx, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		closed = c.closed
		for b, round := range busy {
			if b.running && b.rounds < round {
				return closed
			}
		}
		return true
	})
	if err == nil && closed {
		return fmt.Errorf("holdfast: config: %w", core.ErrClosed)
	}
	return err
}

// errConfigClosed ends what belongs to a Config.
var errConfigClosed = fmt.Errorf("config: %w", core.ErrClosed)

// Close ends the watch, awaits running OnChange and Accept functions, and
// flushes the cache, each within ctx. The last values stay readable, at level
// memory at best: nothing is in sync any more. A second
// Close returns nil.
func (c *Config) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(errConfigClosed)
	c.jrnl.wake()
	err := awaitAll(ctx, &c.wg)
	c.mu.Lock()
	if c.level == core.Live {
		c.level, c.levelSince = core.Memory, time.Now() // no event: nothing went wrong
	}
	c.inSync, c.reported, c.err = false, c.levelLocked(), errConfigClosed
	c.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("holdfast: config: a function of the program or the driver still runs: %w", err)
	}
	if c.ownKeeper {
		err = errors.Join(err, c.keeper.close(ctx))
	}
	return err
}

// awaitAll waits for a group, at most until ctx ends.
func awaitAll(ctx context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
