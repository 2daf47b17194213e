package provenance_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// noted is one call of Note.
type noted struct {
	level core.Level
	age   time.Duration
}

func TestScope_WorstWinsWhateverTheOrder(t *testing.T) {
	for name, row := range map[string]struct {
		notes []noted
		want  provenance.Provenance
	}{
		"nothing":                         {nil, provenance.Provenance{}},
		"one":                             {[]noted{{core.Memory, 3 * time.Second}}, provenance.Provenance{Level: core.Memory, Age: 3 * time.Second}},
		"worse level, lesser age":         {[]noted{{core.Live, 9 * time.Second}, {core.Cached, time.Second}}, provenance.Provenance{Level: core.Cached, Age: 9 * time.Second}},
		"a default has no age":            {[]noted{{core.Memory, time.Second}, {core.Default, time.Hour}}, provenance.Provenance{Level: core.Default, Age: time.Second}},
		"empty has no age":                {[]noted{{core.Empty, time.Hour}}, provenance.Provenance{Level: core.Empty}},
		"no answer adds nothing":          {[]noted{{core.Live, 0}, {core.None, time.Hour}}, provenance.Provenance{Level: core.Live}},
		"what is no level adds nothing":   {[]noted{{core.Live, 0}, {core.Level(99), time.Hour}}, provenance.Provenance{Level: core.Live}},
		"an age is never negative":        {[]noted{{core.Cached, -time.Second}}, provenance.Provenance{Level: core.Cached}},
		"the same level, the greater age": {[]noted{{core.Cached, time.Second}, {core.Cached, time.Minute}}, provenance.Provenance{Level: core.Cached, Age: time.Minute}},
	} {
		forth, back := provenance.Within(t.Context()), provenance.Within(t.Context())
		for i := range row.notes {
			forth.Note(row.notes[i].level, row.notes[i].age)
			n := row.notes[len(row.notes)-1-i]
			back.Note(n.level, n.age)
		}
		if got := forth.Provenance(); got != row.want {
			t.Errorf("%s: %v; want %v", name, got, row.want)
		}
		if got := back.Provenance(); got != row.want {
			t.Errorf("%s, backwards: %v; want %v", name, got, row.want)
		}
	}
}

func TestScope_IsFoundFromFarBelow(t *testing.T) {
	type key struct{}
	outer := context.WithValue(t.Context(), key{}, "outer")
	s := provenance.Within(outer)
	ctx, cancel := context.WithCancel(context.WithValue(s, key{}, "inner"))
	defer cancel()
	provenance.Note(ctx, core.Replica, time.Second)
	if p, ok := provenance.From(ctx); !ok || p != (provenance.Provenance{Level: core.Replica, Age: time.Second}) {
		t.Errorf("from below: %v, %v", p, ok)
	}
	if s.Value(key{}) != "outer" {
		t.Errorf("the scope hides the values of its ctx: %v", s.Value(key{}))
	}
	inner := provenance.Within(ctx)
	provenance.Note(inner, core.Empty, 0)
	if s.Provenance().Level != core.Replica || inner.Provenance().Level != core.Empty {
		t.Errorf("outside %v, inside %v; want replica and empty", s.Provenance(), inner.Provenance())
	}
}

func TestNote_WithoutAScopeDoesNothing(t *testing.T) {
	provenance.Note(t.Context(), core.Empty, time.Second)
	if p, ok := provenance.From(t.Context()); ok || p != (provenance.Provenance{}) {
		t.Errorf("%v, %v", p, ok)
	}
}

func TestScope_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := provenance.Within(ctx)
	child, stop := context.WithTimeout(s, time.Hour) // needs no goroutine of its own, which goleak would find
	defer stop()
	cancel(core.ErrClosed)
	<-child.Done()
	if context.Cause(child) != core.ErrClosed { //nolint:errorlint // exactly that one
		t.Errorf("the cause is %v", context.Cause(child))
	}
}

func TestScope_TakesNotesAtTheSameTime(t *testing.T) {
	s := provenance.Within(t.Context())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 1000 {
				s.Note(core.Level(1+(i+n)%4), time.Duration(i*1000+n))
				if p := s.Provenance(); p.Level == core.None || p.Age < time.Duration(i*1000+n) {
					t.Errorf("after a note: %v", p)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, want := s.Provenance(), (provenance.Provenance{Level: core.Cached, Age: 7999}); got != want {
		t.Errorf("%v; want %v", got, want)
	}
}

func TestScope_CostsOneAllocation(t *testing.T) {
	request := func(ctx context.Context) {
		provenance.Note(ctx, core.Memory, time.Second)
		if _, ok := provenance.From(ctx); !ok {
			t.Error("not found")
		}
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { request(provenance.Within(ctx)) }); n > 1 { //nolint:contextcheck // a Scope inherits the ctx that it is given
		t.Errorf("%v allocations", n)
	}
}

// Business code notes where its answers came from, and knows neither who asks
// nor by what framework.
func ExampleNote() {
	profile := func(ctx context.Context) string {
		provenance.Note(ctx, core.Cached, 12*time.Second) // what policy.Fallback.Ask said
		return "Ada"
	}
	ctx := provenance.Within(context.Background()) // by a middleware, say
	name := profile(ctx)
	p, _ := provenance.From(ctx)
	fmt.Println(name, p.Level, p.Age)
	// Output: Ada cached 12s
}
