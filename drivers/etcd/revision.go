package etcd

import (
	"cmp"
	"strconv"

	"github.com/holdfast-go/holdfast/core"
)

// formatRevision writes an etcd revision as the rest of Holdfast sees it.
func formatRevision(revision int64) core.Revision {
	return core.Revision(strconv.FormatInt(revision, 10))
}

// parseRevision reads what formatRevision wrote; ok is false for anything else.
func parseRevision(r core.Revision) (revision int64, ok bool) {
	revision, err := strconv.ParseInt(string(r), 10, 64)
	if err != nil || revision <= 0 || formatRevision(revision) != r {
		return 0, false
	}
	return revision, true
}

// revisions implements [core.Comparer] for registries and sources.
type revisions struct{}

// Compare orders two revisions of one history by number; ok is false if one of
// them is no etcd revision. It can't tell that a cluster was rebuilt between
// them.
func (revisions) Compare(a, b core.Revision) (n int, ok bool) {
	x, okA := parseRevision(a)
	y, okB := parseRevision(b)
	if !okA || !okB {
		return 0, false
	}
	return cmp.Compare(x, y), true
}
