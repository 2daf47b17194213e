package core_test

import (
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestUpdate_Heartbeat(t *testing.T) {
	for _, row := range []struct {
		name string
		u    core.Update[int]
		want bool
	}{
		{"zero", core.Update[int]{}, true},
		{"a revision alone", core.Update[int]{Revision: "7"}, true},
		{"empty maps", core.Update[int]{Put: map[string]int{}, Bad: map[string]error{}, Delete: []string{}}, true},
		{"a change", core.Update[int]{Put: map[string]int{"a": 0}}, false},
		{"a bad entry", core.Update[int]{Bad: map[string]error{"a": core.ErrCorrupt}}, false},
		{"a deletion", core.Update[int]{Delete: []string{"a"}}, false},
		{"a reset to nothing", core.Update[int]{Reset: true}, false},
	} {
		if got := row.u.Heartbeat(); got != row.want {
			t.Errorf("%s: Heartbeat() = %v; want %v", row.name, got, row.want)
		}
	}
}
