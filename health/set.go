package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Options refine [New]. The zero value works.
type Options struct {
	// Logger gets one line per change of a check, with the texts of errors. Default
	// slog.Default().
	Logger *slog.Logger
}

// Set is a set of checks. All methods are safe for concurrent use, while checks
// are registered and unregistered too. No method but Close waits for a check that
// hangs.
type Set struct {
	log       *slog.Logger
	tasks     tasks
	listeners listeners
	roll      atomic.Pointer[roll] // never nil; replaced under mu

	mu     sync.Mutex
	closed bool
}

// roll is who is registered at one moment; it is never modified.
type roll struct {
	all    []*check // sorted by name
	groups map[string][]*check
}

// New makes a set without checks. It starts nothing.
func New(opts Options) *Set {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	s := &Set{log: opts.Logger}
	s.listeners.tasks, s.listeners.log = &s.tasks, s.log
	s.roll.Store(&roll{})
	return s
}

// Register adds a check. One with CheckOptions.Every begins its first run now.
//
// Errors: [core.ErrInvalid] for a mistake of the program, such as a name that is
// registered already or a [Ping] in the group [Live], and [core.ErrClosed].
func (s *Set) Register(c Checker, opts CheckOptions) error {
	if v := reflect.ValueOf(c); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("health: register: %w: the checker is nil", core.ErrInvalid)
	}
	name := c.Name()
	opts, err := opts.normalize(c, name)
	if err != nil {
		return fmt.Errorf("health: register %q: %w: %w", name, core.ErrInvalid, err)
	}
	n := newCheck(s, name, c, opts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("health: register %q: %w", name, core.ErrClosed)
	}
	all := s.roll.Load().all
	at, found := find(all, name)
	if found {
		return fmt.Errorf("health: register %q: %w: there is a check of this name", name, core.ErrInvalid)
	}
	s.roll.Store(rollOf(slices.Insert(slices.Clone(all), at, n)))
	if opts.Every > 0 {
		n.tick()
	}
	return nil
}

// Unregister removes a check, and reports whether there was one. A run under way
// is cancelled and not awaited.
func (s *Set) Unregister(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.roll.Load().all
	at, found := find(all, name)
	if !found {
		return false
	}
	c := all[at]
	s.roll.Store(rollOf(slices.Delete(slices.Clone(all), at, at+1)))
	c.end()
	return true
}

// OnChange calls f at each change of a check until stop is called: in a goroutine
// of its own, one call at a time. While f is busy, changes of one check are merged
// into one from the oldest state to the newest, and what came back in between is
// left out. A panic of f is logged. Stop does not wait for a call under way.
func (s *Set) OnChange(f func(Change)) (stop func()) { return s.listeners.add(f) }

// Group reports on the checks of a group; a group without checks is UP. Checks
// whose last outcome is too old are run, side by side, and awaited until ctx ends
// at most; then what was known before is reported, and a check that was never
// answered is no better than one that is DOWN.
func (s *Set) Group(ctx context.Context, group string) Report {
	return ask(ctx, s.roll.Load().groups[group], group)
}

// All reports on all checks, as Group does: it is DOWN while any critical check is.
func (s *Set) All(ctx context.Context) Report { return ask(ctx, s.roll.Load().all, "") }

// Check reports on one check, as Group does, and whether there is one of that name.
func (s *Set) Check(ctx context.Context, name string) (*State, bool) {
	all := s.roll.Load().all
	at, found := find(all, name)
	if !found {
		return nil, false
	}
	return ask(ctx, all[at:at+1], "").Checks[0], true
}

// HasGroup reports whether a check is in the group.
func (s *Set) HasGroup(group string) bool { return len(s.roll.Load().groups[group]) > 0 }

// States returns what is known of each check, sorted by name, and runs none: for
// metrics.
func (s *Set) States() []*State { return states(s.roll.Load().all) }

// Close ends all checks and listeners and waits for those under way until ctx ends.
// Reports keep saying what was known last. A second Close waits as the first one.
//
// Its error names the checks that still run, and wraps context.Cause(ctx).
func (s *Set) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	all := s.roll.Load().all
	s.mu.Unlock()
	for _, c := range all {
		c.end()
	}
	if err := s.tasks.await(ctx); err != nil {
		return fmt.Errorf("health: close: not ended: %w", err)
	}
	return nil
}

func rollOf(all []*check) *roll {
	r := &roll{all: all, groups: make(map[string][]*check)}
	for _, c := range all {
		for _, g := range c.opts.Groups {
			r.groups[g] = append(r.groups[g], c)
		}
	}
	return r
}

func find(all []*check, name string) (int, bool) {
	return slices.BinarySearchFunc(all, name, func(c *check, name string) int { return strings.Compare(c.name(), name) })
}

// ask begins all runs that are needed before it awaits any of them, so that a
// report takes as long as the slowest check and not as long as all together.
func ask(ctx context.Context, checks []*check, group string) Report {
	now := time.Now()
	var pending []*run
	for _, c := range checks {
		if r := c.begin(now); r != nil { //nolint:contextcheck // a run serves all who ask and outlasts each of them
			pending = append(pending, r)
		}
	}
	for _, r := range pending {
		select {
		case <-r.settled:
			continue
		case <-ctx.Done():
		}
		break
	}
	return reportOf(states(checks), group)
}

func states(checks []*check) []*State {
	all := make([]*State, len(checks))
	for i, c := range checks {
		all[i] = c.last.Load()
	}
	return all
}

var errGone = errors.New("health: the check was unregistered")
