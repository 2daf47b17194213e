package health

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"
)

// newSet makes a set that ends with the test.
func newSet(t *testing.T) *Set {
	t.Helper()
	s := New(Options{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func register(t *testing.T, s *Set, c Checker, opts CheckOptions) {
	t.Helper()
	if err := s.Register(c, opts); err != nil {
		t.Fatal(err)
	}
}

// part is a check whose outcome the test decides.
type part struct {
	name string
	err  atomic.Pointer[error]
	runs atomic.Int64
}

func newPart(name string) *part { return &part{name: name} }

func (p *part) fails(err error) {
	if err == nil {
		p.err.Store(nil)
		return
	}
	p.err.Store(&err)
}

func (p *part) Name() string { return p.name }

func (p *part) Check(context.Context) Result {
	p.runs.Add(1)
	if err := p.err.Load(); err != nil {
		return Result{Err: *err}
	}
	return Result{}
}

// hung is a check that ignores its ctx until it is released.
type hung struct {
	name     string
	runs     atomic.Int64
	released chan struct{}
}

func newHung(name string) *hung { return &hung{name: name, released: make(chan struct{})} }

func (h *hung) Name() string { return h.name }

func (h *hung) Check(context.Context) Result {
	h.runs.Add(1)
	<-h.released
	return Result{}
}

func (h *hung) release() { close(h.released) }

var errBroken = errors.New("password hunter2 was refused by 10.0.0.9")
