package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// levels are all levels, best first.
var levels = []core.Level{core.Live, core.Memory, core.Replica, core.Cached, core.Default, core.Empty, core.None}

func TestLevel_AtLeastFollowsTheOrder(t *testing.T) {
	for i, a := range levels {
		for j, b := range levels {
			if got, want := a.AtLeast(b), i <= j; got != want {
				t.Errorf("%v.AtLeast(%v) = %v; want %v", a, b, got, want)
			}
			if got, want := a.Worse(b), levels[max(i, j)]; got != want {
				t.Errorf("%v.Worse(%v) = %v; want %v", a, b, got, want)
			}
		}
	}
}

func TestLevel_TextRoundTrips(t *testing.T) {
	for _, l := range levels {
		text, err := l.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		got := core.Level(99)
		if err := got.UnmarshalText(text); err != nil || got != l {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v", text, got, err, l)
		}
	}
	l := core.Cached
	for _, text := range []string{"", "LIVE", "level(9)", "fresh"} {
		if err := l.UnmarshalText([]byte(text)); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("UnmarshalText(%q): got error %v; want %v", text, err, core.ErrInvalid)
		}
	}
	if l != core.Cached {
		t.Errorf("a text that can't be read changed the level to %v", l)
	}
	if got := core.Level(9).String(); got != "level(9)" {
		t.Errorf("String of an unknown level = %q", got)
	}
}

func ExampleLevel_AtLeast() {
	fmt.Println(core.Cached.AtLeast(core.Replica), core.Live.AtLeast(core.Replica), core.None.AtLeast(core.Empty))
	// Output: false true false
}
