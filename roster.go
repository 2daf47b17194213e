package holdfast

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// roster is everything known of one service at one moment. A published roster
// never changes, so that a read is one atomic load; a step makes the next one
// from it and shares what stayed the same.
type roster struct {
	// What Pick reads comes first, to lie in one cache line.
	up    []*core.Instance // those that take requests, by ID
	magic uint64           // 2^64/len(up), rounded up
	none  error            // what Pick returns when up is empty

	all      []*core.Instance // whatever their status, by ID
	level    core.Level
	since    time.Time // when level was reached
	asOf     time.Time // when the backend was last known to hold this
	revision core.Revision
	err      error // why level is not Live
	bad      map[string]error
	lists    uint64
	changes  uint64 // steps that changed all
	closed   bool
}

// finish makes what Pick reads, once the rest is as it will be published.
func (r *roster) finish(service string) {
	if n := uint64(len(r.up)); n > 0 {
		r.magic, r.none = ^uint64(0)/n+1, nil
		return
	}
	none := &noInstance{service: service, level: r.level, asOf: r.asOf, known: len(r.all)}
	if r.asOf.IsZero() {
		none.asOf = r.since
	}
	if r.closed {
		none.cause = r.err
	}
	r.none = none
}

// turn returns instance turn modulo len(up), which must not be 0. Two
// multiplications replace the division (Lemire, Kaser, Kurz: "Faster remainder
// by direct computation"); they are exact for 32 bits. For a single instance
// magic overflows to 0, which is right too.
func (r *roster) turn(turn uint32) *core.Instance {
	i, _ := bits.Mul64(r.magic*uint64(turn), uint64(len(r.up)))
	return r.up[i]
}

// find returns the known instance with an ID, nil if there is none.
func (r *roster) find(id string) *core.Instance {
	if i, ok := search(r.all, id); ok {
		return r.all[i]
	}
	return nil
}

func search(set []*core.Instance, id string) (int, bool) {
	return slices.BinarySearchFunc(set, id, func(in *core.Instance, id string) int { return strings.Compare(in.ID, id) })
}

// edit replaces, adds or removes one instance.
type edit struct {
	id       string
	instance *core.Instance // nil removes
}

// apply makes the edits, which it sorts and of which no two have the same ID.
func (r *roster) apply(edits []edit) {
	if len(edits) == 0 {
		return
	}
	slices.SortFunc(edits, func(a, b edit) int { return strings.Compare(a.id, b.id) })
	allUp := len(r.up) == len(r.all)
	r.all = edited(r.all, edits, func(*core.Instance) bool { return true })
	if allUp && !slices.ContainsFunc(edits, func(e edit) bool { return e.instance != nil && !isUp(e.instance) }) {
		r.up = r.all
	} else {
		r.up = edited(r.up, edits, isUp)
	}
	r.changes++
}

func isUp(in *core.Instance) bool { return in.Status == core.StatusUp }

// edited returns a copy of set with the edits, keeping of the instances in them
// those that fit. It copies the runs between edits as a whole: among ten
// thousand instances one edit costs a search and a memmove.
func edited(set []*core.Instance, edits []edit, fits func(*core.Instance) bool) []*core.Instance {
	added := 0
	for _, e := range edits {
		if e.instance != nil {
			added++
		}
	}
	out := make([]*core.Instance, 0, len(set)+added)
	for _, e := range edits {
		i, found := search(set, e.id)
		out = append(out, set[:i]...)
		set = set[i:]
		if found {
			set = set[1:]
		}
		if e.instance != nil && fits(e.instance) {
			out = append(out, e.instance)
		}
	}
	return slices.Clip(append(out, set...))
}

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
