package holdfast

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

func TestOwner_OrderOfStringsIsOrderOfStarts(t *testing.T) {
	start := time.UnixMicro(1)
	var owners []string
	for d := range 43 {
		owners = append(owners, newOwner(start.Add(time.Duration(1<<d)*time.Microsecond)))
	}
	if !slices.IsSorted(owners) {
		t.Errorf("owners of later starts are not greater: %q", owners)
	}
	form := regexp.MustCompile(`^[0-9a-v]{16}$`)
	for _, o := range append(owners, newOwner(time.Unix(-1, 0))) {
		if !form.MatchString(o) {
			t.Errorf("owner %q is not of fixed width", o)
		}
	}
}

func TestOwner_DiffersInTheSameMicrosecond(t *testing.T) {
	now := time.Now()
	if a, b := newOwner(now), newOwner(now); a == b {
		t.Errorf("two owners of one moment are both %q", a)
	}
}
