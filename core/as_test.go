package core_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

type byLength struct{}

func (byLength) Compare(a, b core.Revision) (int, bool) { return len(a) - len(b), true }

// wrapper hides what it wraps but for Unwrap.
type wrapper struct{ inner any }

func (w wrapper) Unwrap() any { return w.inner }

// guard has the ability itself.
type guard struct{ wrapper }

func (guard) Compare(core.Revision, core.Revision) (int, bool) { return 0, false }

func TestAs_FindsTheOutermost(t *testing.T) {
	for _, row := range []struct {
		name  string
		in    any
		found bool
		n     int
	}{
		{"nil", nil, false, 0},
		{"itself", byLength{}, true, 1},
		{"below two wrappers", wrapper{wrapper{byLength{}}}, true, 1},
		{"a wrapper that guards it", wrapper{guard{wrapper{byLength{}}}}, true, 0},
		{"nowhere", wrapper{wrapper{nil}}, false, 0},
		{"no wrapper", 42, false, 0},
	} {
		c, ok := core.As[core.Comparer](row.in)
		if ok != row.found {
			t.Errorf("%s: found %v; want %v", row.name, ok, row.found)
		}
		if ok {
			if n, _ := c.Compare("12", "1"); n != row.n {
				t.Errorf("%s: found another than the outermost", row.name)
			}
		} else if c != nil {
			t.Errorf("%s: not found, but not nil", row.name)
		}
	}
}

func ExampleAs() {
	source := wrapper{byLength{}} // a driver behind a policy
	if c, ok := core.As[core.Comparer](source); ok {
		n, ok := c.Compare("1", "22")
		fmt.Println(n < 0, ok)
	}
	// Output: true true
}
