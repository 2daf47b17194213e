package holdfast

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// roster is everything known of one service at one moment. A published roster
// never changes, so that a read is one atomic load; a step makes the next one
// from it and shares what stayed the same.
type roster struct {
	// What Pick reads comes first, to lie in one cache line.
	pick crew  // whom Pick chooses among: up, but for the ejected
	none error // what Pick returns when there is nobody

	up       crew     // those that take requests
	whole    crew     // whatever their status
	listed   *listing // those of whole, for who wants a slice of them
	level    core.Level
	since    time.Time // when level was reached
	asOf     time.Time // when the backend was last known to hold this
	revision core.Revision
	err      error // why level is not Live
	bad      map[string]error
	lists    uint64
	changes  uint64 // steps that changed all
	picks    uint64 // steps that changed pick
	from     *Endpoints
	closed   bool
}

// finish makes what Pick reads, once the rest is as it will be published.
func (r *roster) finish(service string, pick crew) {
	r.pick, r.none = pick, nil
	if r.pick.spread(); r.pick.len() > 0 {
		return
	}
	none := &noInstance{service: service, level: r.level, asOf: r.asOf, known: r.whole.len()}
	if r.asOf.IsZero() {
		none.asOf = r.since
	}
	if r.closed {
		none.cause = r.err
	}
	r.none = none
}

// listing is the instances of members, made when somebody asks: most changes are seen
// by pickers alone.
type listing struct {
	members []*member
	once    sync.Once
	all     []*core.Instance
}

// instances returns every known instance, by ID.
func (r *roster) instances() []*core.Instance {
	l := r.listed
	if l == nil {
		return nil
	}
	l.once.Do(func() {
		l.all = make([]*core.Instance, len(l.members))
		for i, m := range l.members {
			l.all[i] = m.in
		}
	})
	return l.all
}

// find returns the known instance with an ID, nil if there is none.
func (r *roster) find(id string) *core.Instance {
	if m := r.whole.find(id); m != nil {
		return m.in
	}
	return nil
}

// edit replaces, adds or removes one instance.
type edit struct {
	id       string
	instance *core.Instance // nil removes
	member   *member        // of the instance; apply makes it
}

// apply makes the edits, which it sorts and of which no two have the same ID.
func (r *roster) apply(edits []edit) {
	if len(edits) == 0 {
		return
	}
	slices.SortFunc(edits, func(a, b edit) int { return strings.Compare(a.id, b.id) })
	for i := range edits {
		e := &edits[i]
		if e.instance == nil {
			continue
		}
		e.member = &member{in: e.instance, from: r.from}
		if known := r.whole.find(e.id); known != nil {
			e.member.seen = known.seen
		} else {
			e.member.seen = new(vitals)
		}
	}
	allUp := r.up.len() == r.whole.len()
	r.whole = r.whole.edited(edits, func(*core.Instance) bool { return true })
	r.listed = &listing{members: r.whole.members}
	if allUp && !slices.ContainsFunc(edits, func(e edit) bool { return e.instance != nil && !isUp(e.instance) }) {
		r.up = r.whole
	} else {
		r.up = r.up.edited(edits, isUp)
	}
	r.changes++
}

func isUp(in *core.Instance) bool { return in.Status == core.StatusUp }

// admit says why an entry of a backend can't be an instance of the service, nil
// if it can.
func admit(service, key string, in *core.Instance) error {
	if err := in.Validate(); err != nil {
		return err
	}
	if in.Service != service {
		return fmt.Errorf("%w: the entry is of another service, %q", core.ErrInvalid, in.Service)
	}
	if in.ID != key {
		return fmt.Errorf("%w: the entry says that its ID is %q", core.ErrInvalid, in.ID)
	}
	return nil
}
