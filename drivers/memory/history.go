package memory

import (
	"crypto/rand"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// history is the order in which transactions happened. It is guarded by
// Backend.mu; the transactions themselves never change.
type history struct {
	name      string // "" if revisions are plain numbers
	newest    int64
	compacted int64 // a watch continues from this revision or a later one
	limit     int
	log       []transaction
}

type transaction struct {
	revision int64
	changes  []change
}

func newHistory(limit int, plain bool) history {
	h := history{newest: 1, limit: limit}
	if !plain {
		h.name = strings.ToLower(rand.Text()[:8])
	}
	return h
}

func (h *history) add(changes []change) {
	h.newest++
	h.log = append(h.log, transaction{h.newest, changes})
	if len(h.log) > h.limit {
		// Half at once, so that dropping costs little per transaction; a copy, since
		// watches may be walking the old one.
		old := len(h.log) - h.limit/2
		h.compacted = h.log[old-1].revision
		h.log = slices.Clone(h.log[old:])
	}
}

func (h *history) compact() {
	h.log, h.compacted = nil, h.newest
}

// since returns the transactions after a revision; false if they are not all
// there any more, or the revision is yet to come.
func (h *history) since(after int64) ([]transaction, bool) {
	if after < h.compacted || after > h.newest {
		return nil, false
	}
	i := sort.Search(len(h.log), func(i int) bool { return h.log[i].revision > after })
	return slices.Clip(h.log[i:]), true
}

// revision names a number of this history.
func (h *history) revision(n int64) core.Revision {
	s := strconv.FormatInt(n, 10)
	if h.name != "" {
		s = h.name + "-" + s
	}
	return core.Revision(s)
}

// number finds a revision in this history; false if it is not one of its.
func (h *history) number(r core.Revision) (int64, bool) {
	name, n, ok := parse(r)
	return n, ok && name == h.name
}

func parse(r core.Revision) (history string, n int64, ok bool) {
	digits := string(r)
	if i := strings.LastIndexByte(digits, '-'); i > 0 {
		history, digits = digits[:i], digits[i+1:]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return history, n, err == nil && n > 0
}

// order is the [core.Comparer] of both drivers.
type order struct{}

// Compare implements [core.Comparer]: revisions of one history are ordered.
func (order) Compare(a, b core.Revision) (n int, ok bool) {
	ha, na, oka := parse(a)
	hb, nb, okb := parse(b)
	if !oka || !okb || ha != hb {
		return 0, false
	}
	switch {
	case na < nb:
		return -1, true
	case na > nb:
		return 1, true
	}
	return 0, true
}
