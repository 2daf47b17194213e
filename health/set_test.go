package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestSet_SumsUp(t *testing.T) {
	s := newSet(t)
	db, cache, loop, warm, own := newPart("db"), newPart("cache"), newPart("loop"), newPart("warm"), newPart("own")
	register(t, s, db, CheckOptions{CacheFor: -1})
	register(t, s, cache, CheckOptions{CacheFor: -1, Optional: true})
	register(t, s, loop, CheckOptions{CacheFor: -1, Groups: []string{Live, Live}})
	register(t, s, warm, CheckOptions{CacheFor: -1, Groups: []string{Startup}})
	register(t, s, own, CheckOptions{CacheFor: -1, Groups: []string{"deep"}})
	type row struct {
		status   Status
		degraded bool
	}
	want := func(when string, rows map[string]row) {
		t.Helper()
		for group, want := range rows {
			r := s.Group(t.Context(), group)
			if group == "all" {
				r = s.All(t.Context())
			}
			if (row{r.Status, r.Degraded}) != want {
				t.Errorf("%s: %s is %v, degraded %v; want %v", when, group, r.Status, r.Degraded, want)
			}
		}
	}
	up, weak, down := row{Up, false}, row{Up, true}, row{Down, true}
	warm.fails(errBroken)
	want("before it has started", map[string]row{Ready: up, Live: up, Startup: down, "deep": up, "all": down, "none": up})
	warm.fails(nil)
	want("all is well", map[string]row{Ready: up, Live: up, Startup: up, "deep": up, "all": up})
	warm.fails(errBroken)
	want("startup passed once", map[string]row{Startup: weak})
	warm.fails(nil)
	cache.fails(errBroken)
	want("what is optional fails", map[string]row{Ready: weak, Live: up, Startup: up, "deep": up, "all": weak})
	db.fails(errBroken)
	want("what is critical fails", map[string]row{Ready: down, Live: up, Startup: up, "deep": up, "all": down})
	db.fails(nil)
	cache.fails(nil)
	own.fails(errBroken)
	want("a group of its own fails", map[string]row{Ready: up, Live: up, Startup: up, "deep": down, "all": down})

	if r := s.Group(t.Context(), Live); len(r.Checks) != 1 {
		t.Errorf("a group given twice counts %d times", len(r.Checks))
	}
	if st, ok := s.Check(t.Context(), "own"); !ok || st.Status != Down || st.Name != "own" {
		t.Errorf("got %+v, %v", st, ok)
	}
	if _, ok := s.Check(t.Context(), "nobody"); ok || !s.HasGroup("deep") || s.HasGroup("none") {
		t.Error("it knows what is not there, or not what is")
	}
	var names []string
	for _, st := range s.States() {
		names = append(names, st.Name)
	}
	if !slices.Equal(names, []string{"cache", "db", "loop", "own", "warm"}) {
		t.Errorf("got %v", names)
	}
}

func TestSet_ServesAnOutcomeForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newSet(t), newPart("db")
		register(t, s, p, CheckOptions{})
		for range 100 {
			s.Group(t.Context(), Ready)
		}
		time.Sleep(time.Second - time.Nanosecond)
		s.Group(t.Context(), Ready)
		if p.runs.Load() != 1 {
			t.Errorf("%d runs within a second", p.runs.Load())
		}
		time.Sleep(time.Nanosecond)
		s.Group(t.Context(), Ready)
		if p.runs.Load() != 2 {
			t.Errorf("%d runs after a second", p.runs.Load())
		}
	})
}

func TestSet_RunsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newSet(t), newPart("db")
		register(t, s, p, CheckOptions{Every: 10 * time.Second})
		synctest.Wait()
		if p.runs.Load() != 1 {
			t.Fatalf("%d runs at once", p.runs.Load())
		}
		p.fails(errBroken)
		time.Sleep(9 * time.Second)
		if r := s.Group(t.Context(), Ready); r.Status != Up || p.runs.Load() != 1 {
			t.Errorf("%v, %d runs", r.Status, p.runs.Load())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := s.Group(t.Context(), Ready); r.Status != Down || p.runs.Load() != 2 {
			t.Errorf("%v, %d runs", r.Status, p.runs.Load())
		}
		s.Unregister("db")
		time.Sleep(time.Hour)
		if p.runs.Load() != 2 {
			t.Errorf("%d runs after it was removed", p.runs.Load())
		}
	})
}

func TestSet_WaitsForTheFirstRunInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t)
		register(t, s, Func("slow", func(context.Context) error {
			time.Sleep(200 * time.Millisecond)
			return nil
		}), CheckOptions{Every: time.Second})
		began := time.Now()
		if r := s.Group(t.Context(), Ready); r.Status != Up || time.Since(began) != 200*time.Millisecond {
			t.Errorf("%v after %v", r.Status, time.Since(began))
		}
		time.Sleep(900 * time.Millisecond) // the second run is under way
		began = time.Now()
		if r := s.Group(t.Context(), Ready); r.Status != Up || time.Since(began) != 0 {
			t.Errorf("%v after %v", r.Status, time.Since(began))
		}
	})
}

func TestSet_FailsOnlyAfterSoManyFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newSet(t), newPart("db")
		register(t, s, p, CheckOptions{Every: time.Second, Failures: 3})
		synctest.Wait()
		p.fails(errBroken)
		for i, want := range []Status{Up, Up, Up, Down, Down} {
			st := s.States()[0]
			if st.Status != want || st.Degraded != (i == 1 || i == 2) {
				t.Errorf("after %d failures: %v, degraded %v", i, st.Status, st.Degraded)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if st := s.States()[0]; !st.Since.Equal(st.At.Add(-2*time.Second)) || st.Runs != 6 || st.Failed != 5 {
			t.Errorf("down since %v, last run at %v: %+v", st.Since, st.At, st)
		}
		p.fails(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if st := s.States()[0]; st.Status != Up || st.Degraded || st.Err != nil || st.Reasons != nil || !st.Since.Equal(st.At) {
			t.Errorf("one success does not mend it: %+v", st)
		}
		p.fails(errBroken)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := s.States()[0]; st.Status != Up || !st.Degraded {
			t.Errorf("failures before the success still count: %+v", st)
		}
		fresh := newPart("fresh")
		fresh.fails(errBroken)
		register(t, s, fresh, CheckOptions{Failures: 3})
		if st, _ := s.Check(t.Context(), "fresh"); st.Status != Down {
			t.Errorf("what never worked is %v", st.Status)
		}
	})
}

func TestSet_GivesGraceUntilTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, slow := newSet(t), newPart("quick"), newPart("slow")
		p.fails(errBroken)
		slow.fails(errBroken)
		opts := CheckOptions{CacheFor: -1, Grace: time.Minute, Groups: []string{Ready, Startup}}
		register(t, s, p, opts)
		register(t, s, slow, opts)
		if r := s.Group(t.Context(), Ready); r.Status != Up || !r.Degraded || r.Checks[0].Passed {
			t.Errorf("within its grace it is %v, degraded %v", r.Status, r.Degraded)
		}
		if r := s.Group(t.Context(), Startup); r.Status != Down {
			t.Errorf("startup does not wait: %v", r.Status)
		}
		p.fails(nil)
		s.All(t.Context())
		p.fails(errBroken)
		r := s.Group(t.Context(), Ready)
		if r.Status != Down || r.Checks[0].Status != Down || r.Checks[1].Status != Up {
			t.Errorf("the grace outlasts the first success: %v, %v", r.Checks[0].Status, r.Checks[1].Status)
		}
		time.Sleep(time.Minute)
		if r := s.Group(t.Context(), Ready); r.Checks[1].Status != Down {
			t.Errorf("after its grace it is %v", r.Checks[1].Status)
		}
	})
}

func TestSet_TurnsPanicsIntoDown(t *testing.T) {
	s := newSet(t)
	const secret = "hunter2"
	register(t, s, Func("panics", func(context.Context) error { panic(secret) }), CheckOptions{})
	register(t, s, Func("divides", func(context.Context) error { zero := 0; _ = 1 / zero; return nil }), CheckOptions{})
	register(t, s, Func("leaves", func(context.Context) error { runtime.Goexit(); return nil }), CheckOptions{})
	register(t, s, newPart("well"), CheckOptions{})
	r := s.All(t.Context())
	want := map[string]string{
		"panics": "panic: with a string", "leaves": "panic: it ended its goroutine",
		"divides": "panic: runtime error: integer divide by zero",
	}
	for _, st := range r.Checks {
		text, bad := want[st.Name]
		if !bad {
			if st.Status != Up {
				t.Errorf("%s is %v", st.Name, st.Status)
			}
			continue
		}
		if st.Status != Down || !errors.Is(st.Err, ErrPanic) || st.Err.Error() != text || !slices.Equal(st.Reasons, []string{"panic"}) {
			t.Errorf("%s is %v, %v, %v", st.Name, st.Status, st.Err, st.Reasons)
		}
	}
}

func TestSet_KeepsDetailsHarmless(t *testing.T) {
	s := newSet(t)
	details := map[string]any{"used": 0.5}
	register(t, s, ResultFunc("good", func(context.Context) Result {
		return Result{Degraded: true, Reasons: []string{"slow"}, Details: details}
	}), CheckOptions{})
	register(t, s, ResultFunc("unwritable", func(context.Context) Result {
		return Result{Details: map[string]any{"c": make(chan int)}}
	}), CheckOptions{})
	register(t, s, ResultFunc("long", func(context.Context) Result {
		return Result{Details: map[string]any{"text": strings.Repeat("x", longestDetails)}}
	}), CheckOptions{})
	register(t, s, ResultFunc("panics", func(context.Context) Result {
		return Result{Details: map[string]any{"p": panicker{}}}
	}), CheckOptions{})
	s.All(t.Context())
	details["used"] = 1 // it was read
	for _, st := range s.States() {
		switch st.Name {
		case "good":
			if string(st.Details) != `{"used":0.5}` || st.Status != Up || !st.Degraded || !slices.Equal(st.Reasons, []string{"slow"}) {
				t.Errorf("got %+v", st)
			}
		case "panics":
			if st.Status != Down || !errors.Is(st.Err, ErrPanic) {
				t.Errorf("got %+v", st)
			}
		default:
			if st.Status != Up || st.Details != nil || len(st.Reasons) != 1 {
				t.Errorf("got %+v", st)
			}
		}
	}
}

type panicker struct{}

func (panicker) MarshalJSON() ([]byte, error) { panic("no") }

var _ json.Marshaler = panicker{}

func TestSet_RefusesMistakes(t *testing.T) {
	s := newSet(t)
	ok := func(context.Context) error { return nil }
	register(t, s, Func("there", ok), CheckOptions{})
	var none *part
	for name, err := range map[string]error{
		"nil":             s.Register(nil, CheckOptions{}),
		"nil pointer":     s.Register(none, CheckOptions{}),
		"no name":         s.Register(Func("", ok), CheckOptions{}),
		"control":         s.Register(Func("a\nb", ok), CheckOptions{}),
		"group's name":    s.Register(Func("live", ok), CheckOptions{}),
		"twice":           s.Register(Func("there", ok), CheckOptions{}),
		"timeout":         s.Register(Func("x", ok), CheckOptions{Timeout: -1}),
		"every":           s.Register(Func("x", ok), CheckOptions{Every: -1}),
		"failures":        s.Register(Func("x", ok), CheckOptions{Failures: -1}),
		"grace":           s.Register(Func("x", ok), CheckOptions{Grace: -1}),
		"group":           s.Register(Func("x", ok), CheckOptions{Groups: []string{""}}),
		"ping in live":    s.Register(Ping("x", ok), CheckOptions{Groups: []string{Live}}),
		"address in live": s.Register(HTTP("x", "http://127.0.0.1", HTTPOptions{}), CheckOptions{Groups: []string{Ready, Live}}),
		"no address":      s.Register(HTTP("x", "127.0.0.1:80", HTTPOptions{}), CheckOptions{}),
		"no ping":         s.Register(Ping("x", nil), CheckOptions{}),
		"no function":     s.Register(Func("x", nil), CheckOptions{}),
		"no share":        s.Register(Disk("x", "/", DiskOptions{Degraded: 90}), CheckOptions{}),
	} {
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := len(s.States()); n != 1 {
		t.Errorf("%d checks", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(Func("x", ok), CheckOptions{}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if r := s.All(t.Context()); r.Status != Down || r.Checks[0].Status != Unknown {
		t.Errorf("after Close something runs: %+v", r)
	}
}

func TestSet_BringsDefaultLimits(t *testing.T) {
	ok := func(context.Context) error { return nil }
	for _, row := range []struct {
		c    Checker
		want time.Duration
	}{
		{Ping("x", ok), 500 * time.Millisecond},
		{PingCache("x", ok), 300 * time.Millisecond},
		{HTTP("x", "http://127.0.0.1", HTTPOptions{}), time.Second},
		{Func("x", ok), time.Second},
	} {
		o, err := CheckOptions{}.normalize(row.c, "x")
		if err != nil || o.Timeout != row.want {
			t.Errorf("%T: %v, %v", row.c, o.Timeout, err)
		}
		o, err = CheckOptions{Timeout: time.Minute}.normalize(row.c, "x")
		if err != nil || o.Timeout != time.Minute {
			t.Errorf("%T: %v, %v", row.c, o.Timeout, err)
		}
	}
}

func TestSet_ChangesWhileItIsAsked(t *testing.T) {
	s := newSet(t)
	stop := s.OnChange(func(Change) {})
	defer stop()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 200 {
				name := fmt.Sprintf("part %d.%d", i, n%3)
				opts := CheckOptions{CacheFor: -1}
				if n%2 == 0 {
					opts.Every = time.Millisecond
				}
				if err := s.Register(newPart(name), opts); err != nil {
					t.Error(err)
				}
				s.All(t.Context())
				s.Group(t.Context(), Ready)
				if !s.Unregister(name) {
					t.Errorf("%s is gone", name)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.States()); n != 0 {
		t.Errorf("%d checks are left", n)
	}
}

func TestSet_GateFollowsAGroup(t *testing.T) {
	s, p := newSet(t), newPart("db")
	register(t, s, p, CheckOptions{CacheFor: -1})
	gate := s.Gate(Ready)
	if got := gate(t.Context()); got != core.StatusUp {
		t.Errorf("got %v", got)
	}
	p.fails(errBroken)
	if got := gate(t.Context()); got != core.StatusDown {
		t.Errorf("got %v", got)
	}
}
