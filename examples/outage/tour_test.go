package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTour_EveryStepHoldsAndNoRequestFails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), wholeTour)
	defer cancel()
	var out bytes.Buffer
	held, err := takeTour(ctx, &out)
	t.Logf("\n%s", &out)
	if err != nil || !held {
		t.Errorf("held: %v, %v", held, err)
	}
	for _, step := range (&tour{}).steps() {
		if !strings.Contains(out.String(), "\n"+step.name+" ") {
			t.Errorf("the summary lacks step %q", step.name)
		}
	}
	empty(t)
}

func TestTour_EndsWhenToldTo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	out := &trigger{word: "load begins", pull: func() { cancel(enough) }}
	began := time.Now()
	if held, err := takeTour(ctx, out); held || !errors.Is(err, enough) {
		t.Errorf("held: %v, %v", held, err)
	}
	if took := time.Since(began); took > wholeTour/2 {
		t.Errorf("it took %v", took)
	}
	empty(t)
}

// empty checks that the tour has left nothing in its temporary directory.
func empty(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("the tour left %v, %v", left, err)
	}
}

// trigger is a writer that waits for a word.
type trigger struct {
	word string
	pull func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.word)) {
		w.pull()
	}
	return len(p), nil
}

func TestSummarize_SaysNoWhenOneStepDidNotHold(t *testing.T) {
	var out bytes.Buffer
	if summarize(&out, []finding{{step: "a", held: true}, {step: "b"}}) {
		t.Error("it held")
	}
	if text := out.String(); strings.Count(text, "yes") != 1 || strings.Count(text, "NO") != 1 {
		t.Errorf("it prints %s", text)
	}
	if !summarize(&out, []finding{{held: true}}) {
		t.Error("it did not hold")
	}
}

func TestLoad_CountsWhatFails(t *testing.T) {
	ln, err := listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	l := startLoad(t.Context(), nobody)
	defer l.end()
	if err := l.more(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	l.end()
	if l.failed.Load() != l.requests.Load() || l.first == nil {
		t.Errorf("%d of %d failed: %v", l.failed.Load(), l.requests.Load(), l.first)
	}
	if f := (&tour{timeline: newTimeline(io.Discard), load: l}).verdict(); f.held {
		t.Errorf("the verdict is that it held: %+v", f)
	}
}
