package holdfast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Strategy is how a [Picker] chooses among instances that will do.
type Strategy uint8

// The strategies.
const (
	// RoundRobin takes each in turn, whatever its weight.
	RoundRobin Strategy = iota
	// WeightedRoundRobin takes each as often as its share of the weights says
	// ([core.Instance.EffectiveWeight]), as evenly spread as a sequence can be.
	WeightedRoundRobin
	// LeastLoaded takes the better of two random ones (power of two choices), by
	// latency (a moving average that follows peaks) times requests under way. It
	// needs [Picked.Done] to be called. Weights are not looked at: what an instance
	// can take shows in its latency.
	LeastLoaded
	// ByKey takes the same one for the same key ([WithKey], [Picker.PickKey]) in every
	// process that knows the same instances, and moves few keys when one comes or goes
	// (multi-probe consistent hashing, Appleton and O'Reilly 2015). Without a key it
	// takes each in turn. Weights are not looked at.
	ByKey
)

// Subset is the instances of which all that is given here is true; the zero Subset
// is all of them.
type Subset struct {
	// Version of the program. Default: any.
	Version string
	// Zone where it runs. Default: any.
	Zone string
	// Metadata that it has, and maybe more. Default: any.
	Metadata map[string]string
}

func (s Subset) has(in *core.Instance) bool {
	if s.Version != "" && s.Version != in.Version || s.Zone != "" && s.Zone != in.Zone {
		return false
	}
	for k, v := range s.Metadata {
		if got, ok := in.Metadata[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Share is a part of the requests that goes to a subset, such as 5 % to version 2.
type Share struct {
	Subset
	// Percent of the requests, 0 to 100.
	Percent float64
}

// PickerOptions configures [Endpoints.Picker]. The zero value is round robin over
// all.
type PickerOptions struct {
	// Strategy chooses within the instances that will do. Default: RoundRobin.
	Strategy Strategy
	// Only these instances will do. Default: all.
	Only Subset
	// Shares are the parts of the requests that go to subsets. An instance belongs to
	// the first that has it, and what is left of 100 % goes to those in none. Shares
	// of whom no instance is up go to the others, in proportion. At most 16. By key, it
	// is a share of the keys. Default: none.
	Shares []Share
	// Zone is where the caller runs: instances of the same zone are taken first.
	// While less than 5/7 of those that are up there are left by ejection, the rest of
	// their requests spills over to other zones, and all do when nobody is up. Default:
	// zones don't matter.
	Zone string
	// ZoneMin is how many instances must be up in the zone; while there are fewer,
	// zones don't matter. Default: 1.
	ZoneMin int
}

const (
	mostShares = 16
	// overprovision is how much more than its part a zone can take (Envoy's factor of
	// priority levels).
	overprovision = 1.4
)

func (o PickerOptions) check() error {
	if o.Strategy > ByKey {
		return fmt.Errorf("%w: PickerOptions.Strategy is %d; use RoundRobin, WeightedRoundRobin, LeastLoaded or ByKey", core.ErrInvalid, o.Strategy)
	}
	if len(o.Shares) > mostShares {
		return fmt.Errorf("%w: PickerOptions.Shares has %d entries; give at most %d", core.ErrInvalid, len(o.Shares), mostShares)
	}
	sum := 0.0
	for i, s := range o.Shares {
		if !(s.Percent >= 0 && s.Percent <= 100) { // NaN is neither
			return fmt.Errorf("%w: PickerOptions.Shares[%d].Percent is %v; give 0 to 100", core.ErrInvalid, i, s.Percent)
		}
		sum += s.Percent
	}
	if sum > 100+1e-9 {
		return fmt.Errorf("%w: PickerOptions.Shares sum up to %v %%; give at most 100", core.ErrInvalid, sum)
	}
	return nil
}

// Picker chooses instances of one service in a way of its own. Pickers of the same
// service share what is known of its instances: ejection, latency, requests under
// way. It is safe for concurrent use; make one where the service is named, and keep
// it.
type Picker struct {
	from *Endpoints
	opts PickerOptions

	turns    []rotation // one per group of a table
	shares   rotation   // which group
	building sync.Mutex
	table    atomic.Pointer[pickTable]

	lastClock atomic.Int64 // see clock
	fast      atomic.Bool
}

// Picker makes a picker. The error is of kind [core.ErrInvalid] and says what to
// change.
func (e *Endpoints) Picker(opts PickerOptions) (*Picker, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("holdfast: picker of %q: %w", e.service, err)
	}
	p := &Picker{from: e, opts: opts, turns: make([]rotation, groupsOf(opts))}
	for i := range p.turns {
		p.turns[i].scatter()
	}
	p.shares.scatter()
	return p, nil
}

// Pick chooses an instance for one request, by the key of ctx if the strategy is
// ByKey. It never blocks and allocates nothing, but for the first pick after the
// instances changed, which makes new tables. Its errors are those of
// [Endpoints.Pick], of kind [ErrNoInstance] also when nobody who is up will do.
func (p *Picker) Pick(ctx context.Context) (Picked, error) {
	if p.opts.Strategy == ByKey {
		if key, ok := keyOf(ctx); ok {
			return p.byKey(key)
		}
	}
	t := p.table.Load()
	if t == nil || t.picks != p.from.roster.Load().picks {
		t = p.rebuilt()
	}
	if len(t.groups) == 0 {
		return Picked{}, p.none()
	}
	g := &t.groups[0]
	if len(t.groups) > 1 {
		g = t.group(weyl(p.shares.next()))
	}
	switch {
	case p.opts.Strategy == LeastLoaded:
		return p.lessLoaded(g), nil
	case g.wheel.sectors != nil:
		return Picked{member: g.wheel.spin(weyl(g.turns.next()))}, nil
	}
	return Picked{member: g.members[g.turn(g.turns.next())]}, nil
}

// PickKey is Pick with a key, which only the strategy ByKey looks at.
func (p *Picker) PickKey(key string) (Picked, error) {
	if p.opts.Strategy != ByKey {
		return p.Pick(context.Background())
	}
	return p.byKey(key)
}

func (p *Picker) byKey(key string) (Picked, error) {
	t := p.current()
	if len(t.groups) == 0 {
		return Picked{}, p.none()
	}
	hash := hashOf(key)
	g := &t.groups[0]
	if len(t.groups) > 1 {
		g = t.group(mixed(hash))
	}
	return p.picked(&g.crew, g.ring.find(hash)), nil
}

// PickExcept is Pick of an instance that is none of tried, for a request that is sent
// again. The error is of kind [ErrNoInstance] when all that will do were tried. It may
// take as long as there are instances.
func (p *Picker) PickExcept(ctx context.Context, tried ...Picked) (Picked, error) {
	return p.pickExcept(ctx, "", tried)
}

// pickExcept is PickExcept of an instance with an address of a scheme; "" is any.
func (p *Picker) pickExcept(ctx context.Context, scheme string, tried []Picked) (Picked, error) {
	for range len(tried) + 2 {
		got, err := p.Pick(ctx)
		if err != nil || got.suits(scheme, tried) {
			return got, err
		}
		got.undo()
	}
	t := p.current()
	for i := range t.groups {
		if got, ok := p.pickedExcept(&t.groups[i].crew, scheme, tried); ok {
			return got, nil
		}
	}
	for i := range t.spare {
		if got, ok := p.pickedExcept(&t.spare[i], scheme, tried); ok {
			return got, nil
		}
	}
	return Picked{}, p.from.allTried(len(tried))
}

// pickedExcept looks for one that was not tried, from a random one on.
func (p *Picker) pickedExcept(c *crew, scheme string, tried []Picked) (Picked, bool) {
	at := rand.IntN(c.len())
	for range c.len() {
		got := p.picked(c, at)
		if got.suits(scheme, tried) {
			return got, true
		}
		got.undo()
		at = (at + 1) % c.len()
	}
	return Picked{}, false
}

// lessLoaded takes the better of two.
func (p *Picker) lessLoaded(g *pickGroup) Picked {
	u := rand.Uint64()
	now, timed := p.clock(u)
	one := &g.loads[0]
	if n := uint64(len(g.loads)); n > 1 {
		a := u >> 32 * n >> 32
		b := u & math.MaxUint32 * (n - 1) >> 32
		if b >= a {
			b++
		}
		one = &g.loads[a]
		if other := &g.loads[b]; other.seen.load(now) < one.seen.load(now) {
			one = other
		}
	}
	one.seen.running.Add(1)
	if !timed && one.seen.latency.Load() != 0 {
		now = untimed
	}
	return Picked{member: one.member, began: now}
}

// untimed is the beginning of a request that counts as running and is not timed.
const untimed = -1

// clock returns about now. Reading the clock takes longer than all the rest of a
// pick, so where picks come fast, one in eight does, at random; timed says whether
// this one did.
func (p *Picker) clock(u uint64) (now int64, timed bool) {
	const (
		fast = int64(50 * time.Microsecond)
		one  = 8 // of so many
	)
	last := p.lastClock.Load()
	if u%one != 0 && p.fast.Load() {
		return last, false
	}
	now = p.from.clock()
	p.lastClock.Store(now)
	if isFast := now-last < fast; isFast != p.fast.Load() {
		p.fast.Store(isFast)
	}
	return now, true
}

func (p *Picker) picked(c *crew, i int) Picked {
	got := Picked{member: c.members[i]}
	if p.opts.Strategy == LeastLoaded {
		got.began = p.from.clock()
		got.member.seen.running.Add(1)
	}
	return got
}

// current returns the tables of what is known now.
func (p *Picker) current() *pickTable {
	t := p.table.Load()
	if t == nil || t.picks != p.from.roster.Load().picks {
		t = p.rebuilt()
	}
	return t
}

// choice is how many instances a request may go to, one after another.
func (p *Picker) choice() (n int) {
	t := p.current()
	for i := range t.groups {
		n += t.groups[i].len()
	}
	for i := range t.spare {
		n += t.spare[i].len()
	}
	return n
}

// rebuilt makes the tables anew. While another goroutine does, those before serve, if
// there is anybody in them.
func (p *Picker) rebuilt() *pickTable {
	t := p.table.Load()
	if t == nil || len(t.groups) == 0 {
		p.building.Lock()
	} else if !p.building.TryLock() {
		return t
	}
	defer p.building.Unlock()
	r, t := p.from.roster.Load(), p.table.Load()
	if t == nil || t.picks != r.picks {
		t = p.build(r, t)
		p.table.Store(t)
	}
	return t
}

// none is why there is nobody to pick.
func (p *Picker) none() error {
	r := p.from.roster.Load()
	if r.none != nil {
		return r.none
	}
	return &noInstance{service: p.from.service, level: r.level, asOf: r.asOf, known: r.whole.len(), unfit: true}
}

type pickKey struct{}

// WithKey returns a ctx for which pickers by key choose the same instance again: that
// of a customer, a session, a cache entry.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, pickKey{}, key)
}

func keyOf(ctx context.Context) (string, bool) {
	key, ok := ctx.Value(pickKey{}).(string)
	return key, ok
}
