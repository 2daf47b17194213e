package holdfast

import (
	"math"

	"github.com/holdfast-go/holdfast/core"
)

// pickTable is what a picker chooses from, made once per change of the instances. It
// never changes.
type pickTable struct {
	picks  uint64 // of the roster it was made from
	groups []pickGroup
	upto   []uint64 // where the share of each group ends, in parts of 2^64
	spare  []crew   // who gets requests only when all of the groups were tried: of other zones

	// What was worked out for each instance of the source, so that the next table has
	// to look only at what changed.
	source crew
	column []column
}

// column is what a picker has to know of an instance.
type column struct {
	point  uint64 // on the ring
	weight uint32
	class  uint8 // of the share, and whether it is of the zone; unfit
}

const unfit = math.MaxUint8

// pickGroup is instances among which a strategy chooses.
type pickGroup struct {
	crew
	turns *rotation
	wheel wheel
	ring  ring
	loads []loaded
}

// loaded spares a look at the member to compare two loads.
type loaded struct {
	seen   *vitals
	member *member
}

// groupsOf returns how many groups a picker may have: one per share and one for the
// rest, and of each those in the zone and those in others.
func groupsOf(o PickerOptions) int { return 2 * (len(o.Shares) + 1) }

// build makes the table of a roster; before is the last one, nil at first.
func (p *Picker) build(r *roster, before *pickTable) *pickTable {
	t := &pickTable{picks: r.picks, source: r.pick}
	if p.takesAnybody() {
		if t.source.len() > 0 {
			t.add(p, 0, t.source, nil, 1)
		}
		return t
	}
	t.column = make([]column, r.pick.len())
	at := 0
	for i, m := range t.source.members {
		if before != nil {
			last := before.source.members
			for at < len(last) && last[at] != m && last[at].in.ID < m.in.ID {
				at++
			}
			if at < len(last) && last[at] == m {
				t.column[i] = before.column[at]
				at++
				continue
			}
		}
		t.column[i] = p.describe(m.in)
	}
	p.group(t, r)
	return t
}

// takesAnybody reports whether nothing has to be known of an instance.
func (p *Picker) takesAnybody() bool {
	o := &p.opts
	all := o.Only.Version == "" && o.Only.Zone == "" && len(o.Only.Metadata) == 0
	return all && len(o.Shares) == 0 && o.Zone == "" && (o.Strategy == RoundRobin || o.Strategy == LeastLoaded)
}

// describe works out a column.
func (p *Picker) describe(in *core.Instance) column {
	c := column{class: unfit, weight: uint32(min(in.EffectiveWeight(), math.MaxInt32))}
	if p.opts.Strategy == ByKey {
		c.point = hashOf(in.ID)
	}
	if !p.opts.Only.has(in) {
		return c
	}
	share := 0
	for share < len(p.opts.Shares) && !p.opts.Shares[share].has(in) {
		share++
	}
	c.class = uint8(2 * share)
	if p.opts.Zone != "" && in.Zone != p.opts.Zone {
		c.class++
	}
	return c
}

// group sorts the source into groups, and gives each its part of the requests.
func (p *Picker) group(t *pickTable, r *roster) {
	members := make([]crew, groupsOf(p.opts))
	columns := make([][]column, len(members))
	var sizes [2*mostShares + 2]int
	for _, c := range t.column {
		if c.class != unfit {
			sizes[c.class]++
		}
	}
	zoned := p.opts.Zone != "" && p.inZone(sizes[:]) >= max(p.opts.ZoneMin, 1)
	if !zoned {
		for share := range len(members) / 2 {
			here, elsewhere := 2*share, 2*share+1
			sizes[here] += sizes[elsewhere]
			sizes[elsewhere] = 0
		}
	}
	for i, n := range sizes[:len(members)] {
		if n == t.source.len() {
			// All in one: nothing has to be copied.
			members[i], columns[i] = t.source, t.column
			break
		}
		members[i] = crew{members: make([]*member, 0, n)}
		columns[i] = make([]column, 0, n)
	}
	for i, c := range t.column {
		if c.class == unfit {
			continue
		}
		if !zoned {
			c.class &^= 1
		}
		m := &members[c.class]
		if m.len() == t.source.len() {
			break
		}
		m.members = append(m.members, t.source.members[i])
		columns[c.class] = append(columns[c.class], c)
	}
	p.divide(t, r, members, columns, zoned)
}

func (p *Picker) inZone(sizes []int) (n int) {
	for i := 0; i < groupsOf(p.opts); i += 2 {
		n += sizes[i]
	}
	return n
}

// divide gives every group that has members its part.
func (p *Picker) divide(t *pickTable, r *roster, members []crew, columns [][]column, zoned bool) {
	local := 1.0
	if zoned && r.pick.len() != r.up.len() {
		local = p.localPart(r)
	}
	parts := make([]float64, len(members))
	rest, all := 100.0, 0.0
	for i := range parts {
		share := rest
		if s := i / 2; s < len(p.opts.Shares) {
			share = p.opts.Shares[s].Percent
			if i%2 == 1 {
				rest -= share
			}
		}
		here, elsewhere := members[i&^1].len() > 0, members[i|1].len() > 0
		switch {
		case members[i].len() == 0:
			continue
		case here && elsewhere && i%2 == 0:
			share *= local
		case here && elsewhere:
			if share > 0 && local == 1 {
				t.spare = append(t.spare, members[i])
			}
			share *= 1 - local
		}
		parts[i] = share
		all += share
	}
	if all == 0 {
		// Only subsets that want nothing have members: better they than nobody.
		for i := range parts {
			parts[i] = float64(members[i].len())
			all += parts[i]
		}
	}
	sum := 0.0
	for i, part := range parts {
		if part == 0 {
			continue
		}
		sum += part
		t.add(p, i, members[i], columns[i], sum/all)
	}
	if n := len(t.upto); n > 0 {
		t.upto[n-1] = math.MaxUint64
	}
}

// add makes a group of members; upto is where its part of 1 ends.
func (t *pickTable) add(p *Picker, i int, members crew, columns []column, upto float64) {
	g := pickGroup{crew: members, turns: &p.turns[i]}
	g.spread()
	switch p.opts.Strategy {
	case WeightedRoundRobin:
		g.wheel = newWheel(g.crew, columns)
	case ByKey:
		g.ring = newRing(columns)
	case LeastLoaded:
		g.loads = make([]loaded, g.len())
		for i, m := range g.members {
			g.loads[i] = loaded{m.seen, m}
		}
	}
	t.groups = append(t.groups, g)
	t.upto = append(t.upto, parts64(upto))
}

// parts64 is a part of 1 as one of 2^64.
func parts64(part float64) uint64 {
	if part >= 1 {
		return math.MaxUint64
	}
	return uint64(part * (1 << 64))
}

// localPart is how much of its requests the zone can take, after what was ejected
// there.
func (p *Picker) localPart(r *roster) float64 {
	healthy, up := 0, 0
	for _, m := range r.up.members {
		if m.in.Zone == p.opts.Zone && p.opts.Only.has(m.in) {
			up++
		}
	}
	for _, m := range r.pick.members {
		if m.in.Zone == p.opts.Zone && p.opts.Only.has(m.in) {
			healthy++
		}
	}
	return min(1, overprovision*float64(healthy)/float64(max(up, 1)))
}

// group returns the group in whose share u lies.
func (t *pickTable) group(u uint64) *pickGroup {
	for i, end := range t.upto {
		if u < end {
			return &t.groups[i]
		}
	}
	return &t.groups[len(t.groups)-1]
}
