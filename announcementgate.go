package holdfast

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// gate asks the user's health gate, one call at a time and each by a deadline.
// Calls of its methods follow one another.
type gate struct {
	ask      func(context.Context) core.Status // nil: always up
	timeout  time.Duration
	panicked func(v any) // called once per run of panics

	late    chan core.Status // of a call that has not returned by its deadline; nil: none
	failing bool             // the last call panicked
}

// status returns the gate's answer, or StatusDown if there is none in time.
func (g *gate) status(ctx context.Context) core.Status {
	if g.ask == nil {
		return core.StatusUp
	}
	if g.late != nil {
		select {
		case <-g.late:
			// What it found is as old as its call: ask anew.
			g.late = nil
		default:
			return core.StatusDown
		}
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	answer := make(chan core.Status, 1)
	go func() { answer <- g.call(ctx) }()
	select {
	case s := <-answer:
		return s
	case <-ctx.Done():
		g.late = answer
		return core.StatusDown
	}
}

// call makes one call, whose panic or nonsense counts as down.
func (g *gate) call(ctx context.Context) (s core.Status) {
	defer func() {
		v := recover()
		if v != nil {
			s = core.StatusDown
			if !g.failing {
				g.panicked(v)
			}
		}
		g.failing = v != nil
	}()
	return min(g.ask(ctx), core.StatusDown)
}

// wait blocks until a call that is late has returned.
func (g *gate) wait() {
	if g.late != nil {
		<-g.late
		g.late = nil
	}
}
