package holdfast

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// EjectionOptions say when an instance that is up gets no requests for a while,
// because those before failed ([Picked.Done]). The zero value works.
type EjectionOptions struct {
	// Failures in a row eject an instance; one does if no connection could be made.
	// Negative turns ejection off. Default: 5.
	Failures int
	// Time is how long the first ejection lasts, +-10 %; each further one in a row
	// lasts twice as long as the one before, up to Longest. Default: 1 s.
	Time time.Duration
	// Longest is the most that one ejection lasts. After as long without one, the
	// next is a first one again. Default: 1 min, and at least Time.
	Longest time.Duration
	// MostPercent of the instances that are up may be ejected at a time because of
	// failed requests alone, 1 to 100. If more are, because others went, those are
	// ignored until fewer are. An instance that did not answer a probe either does not
	// count; while nobody else is left, all get requests. Default: 50.
	MostPercent int
}

// deafLimit is how often in a row it may be that no connection can be made: that is
// what a probe would find.
const deafLimit = 1

func (o EjectionOptions) withDefaults() EjectionOptions {
	o.Failures = cmp.Or(o.Failures, 5)
	if o.Time <= 0 {
		o.Time = time.Second
	}
	if o.Longest <= 0 {
		o.Longest = time.Minute
	}
	o.Longest = max(o.Longest, o.Time)
	if o.MostPercent <= 0 || o.MostPercent > 100 {
		o.MostPercent = 50
	}
	return o
}

// lasts returns how long the ejection of a number lasts, 1 being the first.
func (o EjectionOptions) lasts(times int) time.Duration {
	d := o.Time
	for range times - 1 {
		if d >= o.Longest/2 {
			d = o.Longest
			break
		}
		d *= 2
	}
	least := d - d/10
	return least + rand.N(min(d/5, math.MaxInt64-least)+1)
}

// Ejected is an instance that is up and gets no requests for now.
type Ejected struct {
	// ID of the instance.
	ID string
	// Since is when it was ejected, and Until when it is probed, and returns if it
	// answers.
	Since, Until time.Time
	// Times counts the ejections in a row, this one included.
	Times int
	// Err is the failure of the last request or probe.
	Err error
}

// outliers are the ejected instances of a service. Its zero value, which has nobody
// to bring them back, ejects none.
type outliers struct {
	opts  EjectionOptions
	probe Probe
	spawn func(func())
	ctx   context.Context
	tell  func(Event)

	mu      sync.Mutex // held while a roster is published, too
	byID    map[string]*outlier
	changed bool // since the last roster
	ended   bool // nobody is ejected any more
	watched bool // a goroutine watches
	poke    chan struct{}
}

type outlier struct {
	Ejected
	in   *core.Instance // as it is probed; only takeOut and dueForReturn set it
	seen *vitals
	mute bool // it did not answer the last probe
}

// unproven counts those who are out for failed requests alone.
func (o *outliers) unproven() (n int) {
	for _, e := range o.byID {
		if !e.mute {
			n++
		}
	}
	return n
}

// pickable returns whom of those that are up Pick may choose. The caller holds mu.
func (o *outliers) pickable(before *roster, up *crew) crew {
	if before != nil && !o.changed && before.up.same(up) {
		return before.pick
	}
	o.changed = false
	maps.DeleteFunc(o.byID, func(id string, e *outlier) bool {
		m := up.find(id)
		return m == nil || m.seen != e.seen
	})
	if len(o.byID) == 0 {
		return *up
	}
	ignored := o.unproven()*100 > o.opts.MostPercent*up.len()
	pick := up.only(func(m *member) bool {
		e := o.byID[m.in.ID]
		return e == nil || ignored && !e.mute
	})
	if pick.len() == 0 {
		return *up
	}
	return pick
}

// end ejects nobody from now on, so that no goroutine begins.
func (o *outliers) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// list returns the ejected by ID.
func (o *outliers) list() []Ejected {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []Ejected
	for _, e := range o.byID {
		all = append(all, e.Ejected)
	}
	slices.SortFunc(all, func(a, b Ejected) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// blame counts a failed request against its instance. That the caller gave up is
// nobody's failure.
func (e *Endpoints) blame(in *core.Instance, seen *vitals, err error) {
	o := &e.outliers
	if o.spawn == nil || o.opts.Failures < 0 || errors.Is(err, context.Canceled) {
		return
	}
	limit, mute := o.opts.Failures, unconnected(err)
	if mute {
		limit = min(limit, deafLimit)
	}
	if int64(seen.failures.Add(1)) >= int64(limit) {
		e.eject(in, seen, err, mute)
	}
}

// eject takes an instance out, if it is still there and, unless it is mute, few enough
// are out.
func (e *Endpoints) eject(in *core.Instance, seen *vitals, err error, mute bool) {
	o := &e.outliers
	out := e.takeOut(in, seen, err, mute)
	if out == nil {
		return
	}
	why := "it failed too often in a row"
	if mute {
		why = "it did not answer a probe"
	}
	o.tell(Event{Kind: EventEjected, Part: e.part(), Key: in.ID, Err: err,
		Detail: why + "; it is probed in " + out.Until.Sub(out.Since).Round(time.Millisecond).String()})
}

func (e *Endpoints) takeOut(in *core.Instance, seen *vitals, err error, mute bool) *Ejected {
	o := &e.outliers
	o.mu.Lock()
	defer o.mu.Unlock()
	r := e.roster.Load()
	m := r.up.find(in.ID)
	if o.ended || m == nil || m.seen != seen || o.byID[in.ID] != nil {
		return nil
	}
	if !mute && (o.unproven()+1)*100 > o.opts.MostPercent*r.up.len() {
		seen.failures.Store(0) // so that the next try of this costs as many failures
		return nil
	}
	now := time.Now()
	if now.Sub(seen.returned) > o.opts.Longest {
		seen.ejections = 0
	}
	seen.ejections++
	out := &outlier{
		Ejected: Ejected{ID: in.ID, Since: now, Until: now.Add(o.opts.lasts(seen.ejections)), Times: seen.ejections, Err: err},
		in:      m.in, seen: seen, mute: mute,
	}
	if o.byID == nil {
		o.byID = make(map[string]*outlier)
	}
	o.byID[in.ID] = out
	o.changed = true
	e.store(*r)
	if o.watched {
		select {
		case o.poke <- struct{}{}:
		default:
		}
	} else {
		o.watched = true
		o.spawn(e.watchEjected)
	}
	return new(out.Ejected)
}

// watchEjected probes whose time is over, and ends when nobody is out.
func (e *Endpoints) watchEjected() {
	o := &e.outliers
	for {
		due, wait, none := e.dueForReturn()
		if none {
			return
		}
		if len(due) > 0 {
			e.probeEjected(due)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-o.poke:
		case <-o.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// dueForReturn returns whom to probe now, else how long to wait for that.
func (e *Endpoints) dueForReturn() (due []*outlier, wait time.Duration, none bool) {
	o := &e.outliers
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.byID) == 0 || o.ctx.Err() != nil {
		o.watched = false
		return nil, 0, true
	}
	now := time.Now()
	up := &e.roster.Load().up
	for _, out := range o.byID {
		left := out.Until.Sub(now)
		if left <= 0 {
			if m := up.find(out.ID); m != nil {
				out.in = m.in // it may have moved since
			}
			due = append(due, out)
		} else if wait == 0 || left < wait {
			wait = left
		}
	}
	return due, wait, false
}

// probeEjected asks those whose time is over, and lets those return that answer.
func (e *Endpoints) probeEjected(due []*outlier) {
	o := &e.outliers
	ask := make([]*core.Instance, len(due))
	for i, out := range due {
		ask[i] = out.in
	}
	errs := o.probe.askAll(o.ctx, ask)
	if o.ctx.Err() != nil {
		return
	}
	for _, event := range e.judge(due, errs) {
		o.tell(event)
	}
}

// judge lets return who answered, and lets the others wait for longer.
func (e *Endpoints) judge(due []*outlier, errs []error) (events []Event) {
	o := &e.outliers
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for i, out := range due {
		if o.byID[out.ID] != out {
			continue // it went meanwhile
		}
		if err := errs[i]; err != nil {
			out.seen.ejections++
			o.changed = o.changed || !out.mute
			out.mute = true
			out.Times, out.Err, out.Until = out.seen.ejections, err, now.Add(o.opts.lasts(out.seen.ejections))
			continue
		}
		delete(o.byID, out.ID)
		o.changed = true
		out.seen.returned = now
		out.seen.failures.Store(uint32(max(o.opts.Failures-1, 0)))
		events = append(events, Event{Kind: EventReturned, Part: e.part(), Key: out.ID, Detail: "it answered a probe, " + now.Sub(out.Since).Round(time.Millisecond).String() + " after it was ejected"})
	}
	if o.changed {
		e.store(*e.roster.Load())
	}
	return events
}
