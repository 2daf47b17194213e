package holdfast

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

// instanceCache is the persistent side of one service: a record per instance.
// The membership's mutex guards it.
type instanceCache struct {
	keeper *keeper
	bucket string

	believed bool   // a list with quorum was taken: what is known may be saved
	saved    bool   // the bucket holds what is known, but for the edits
	edits    []edit // since the last save
}

// believe allows saving.
func (c *instanceCache) believe() { c.believed = true }

// edited remembers edits for the next save.
func (c *instanceCache) edited(edits []edit) {
	if c.believed && c.saved && c.keeper != nil {
		c.edits = append(c.edits, edits...)
	}
}

// save hands to the keeper what changed since the last call: by difference, but
// for the first time, when nobody knows what an earlier run left there.
func (c *instanceCache) save(r *roster) {
	if !c.believed || c.keeper == nil {
		return
	}
	var b core.Batch
	now := time.Now()
	if !c.saved {
		c.saved = true
		b.Reset = true
		for _, one := range r.whole.members {
			b.Put = appendRecord(b.Put, one.in, r.revision, now)
		}
	}
	for _, e := range c.edits {
		if e.instance == nil {
			b.Delete = append(b.Delete, cacheKey(e.id))
		} else {
			b.Put = appendRecord(b.Put, e.instance, r.revision, now)
		}
	}
	c.edits = nil
	c.keeper.save(c.bucket, b)
}

func appendRecord(to []core.Record, in *core.Instance, rev core.Revision, now time.Time) []core.Record {
	value, err := seal(in)
	if err != nil || !utf8.ValidString(in.ID) {
		return to // JSON can't carry it, and what came back would be another instance
	}
	return append(to, core.Record{Key: cacheKey(in.ID), Value: value, Revision: rev, SavedAt: now})
}

// cacheKey is an instance's ID, or a hash of one that no store takes as a key.
func cacheKey(id string) string {
	const longest = 1 << 10
	if len(id) <= longest {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256 " + hex.EncodeToString(sum[:])
}

// cachedSet is what an earlier run left.
type cachedSet struct {
	instances []*core.Instance
	revision  core.Revision // the newest
	asOf      time.Time     // when the newest was saved
	damaged   int
}

// openRecords reads records into a set; it trusts none of them.
func openRecords(service string, records []core.Record, compare func(a, b core.Revision) (int, bool)) cachedSet {
	var set cachedSet
	for _, r := range records {
		in := new(core.Instance)
		if unseal(r.Value, in) != nil || cacheKey(in.ID) != r.Key || admit(service, in.ID, in) != nil {
			set.damaged++
			continue
		}
		set.instances = append(set.instances, in)
		n, ok := compare(r.Revision, set.revision)
		if !ok {
			n = r.SavedAt.Compare(set.asOf)
		}
		if n > 0 || set.revision == "" {
			set.revision = r.Revision
		}
		if r.SavedAt.After(set.asOf) {
			set.asOf = r.SavedAt
		}
	}
	slices.SortFunc(set.instances, func(a, b *core.Instance) int { return strings.Compare(a.ID, b.ID) })
	set.instances = slices.CompactFunc(set.instances, func(a, b *core.Instance) bool { return a.ID == b.ID })
	return set
}

// loadCache looks at the cache, again and again while it can't be read and
// nothing better is known. It ends with ctx.
func (m *membership) loadCache(ctx context.Context) {
	first := true
	for {
		records, err := m.cache.keeper.load(ctx, m.cache.bucket)
		readable := err == nil || errors.Is(err, core.ErrCorrupt)
		if readable {
			m.takeCached(openRecords(m.endpoints.service, records, m.compare))
		}
		if first {
			first = false
			m.lookedAtCache()
		}
		if readable || !m.nothingKnown() || !pause(ctx, storeRetry) || !m.nothingKnown() {
			return
		}
	}
}

// takeCached serves a cached set if nothing better is known.
func (m *membership) takeCached(set cachedSet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if set.damaged > 0 {
		m.event(Event{Kind: EventCache, Err: fmt.Errorf("%w: %d of %d cached instances can't be read", core.ErrCorrupt, set.damaged, set.damaged+len(set.instances))})
	}
	if m.now.level == core.Empty && len(set.instances) > 0 {
		edits := make([]edit, len(set.instances))
		for i, in := range set.instances {
			edits[i] = edit{id: in.ID, instance: in}
		}
		m.now.from = m.endpoints
		m.now.apply(edits)
		m.now.revision, m.now.asOf = set.revision, set.asOf
		m.reach(core.Cached, m.now.err, time.Now())
		m.spawn(m.verifyCached)
	}
	m.publish()
}

// verifyCached asks everybody whom only the cache knows. Who does not answer gets
// requests last, until it answers: nobody can say that it is gone.
func (m *membership) verifyCached() {
	if m.endpoints.outliers.opts.Failures < 0 {
		return
	}
	m.mu.Lock()
	cached, up := m.now.level == core.Cached, m.now.up
	m.mu.Unlock()
	if !cached {
		return
	}
	all := make([]*core.Instance, up.len())
	for i, one := range up.members {
		all[i] = one.in
	}
	for i, err := range m.opts.Probe.askAll(m.ctx, all) {
		if err != nil && m.ctx.Err() == nil {
			m.endpoints.eject(all[i], up.members[i].seen, err, true)
		}
	}
}

// lookedAtCache lets go of who waits for the cache.
func (m *membership) lookedAtCache() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looked = true
	m.sayEmpty()
	m.publish()
	close(m.endpoints.looked)
}

// nothingKnown reports whether even a cached set would be better than what is
// known.
func (m *membership) nothingKnown() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.level == core.Empty
}
