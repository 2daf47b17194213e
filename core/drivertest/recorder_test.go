package drivertest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Outcome is how a case went.
type Outcome struct {
	Rule    string
	Failed  bool
	Skipped bool
	Log     string
}

// recorder stands in for the testing.T of one case, so that a failure is seen and
// not suffered.
type recorder struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	outcome  Outcome
	log      strings.Builder
	cleanups []func()
}

// recorded runs f as testing runs a test: on a goroutine of its own, with its
// cleanups last.
func recorded(t *testing.T, f func(testing.TB)) Outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{TB: t, ctx: ctx}
	r.do(func() { f(r) })
	cancel()
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.outcome.Log = r.log.String()
			defer r.mu.Unlock()
			return r.outcome
		}
		last := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		r.mu.Unlock()
		r.do(last)
	}
}

func (r *recorder) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) note(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.Failed = r.outcome.Failed || failed
	r.log.WriteString(text + "\n")
}

func (r *recorder) Helper()                           {}
func (r *recorder) Log(args ...any)                   { r.note(false, fmt.Sprint(args...)) }
func (r *recorder) Logf(format string, args ...any)   { r.note(false, fmt.Sprintf(format, args...)) }
func (r *recorder) Error(args ...any)                 { r.note(true, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.note(true, fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.note(true, "") }

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcome.Failed
}

func (r *recorder) Skip(args ...any) {
	r.mu.Lock()
	r.outcome.Skipped = true
	r.mu.Unlock()
	r.Log(args...)
	runtime.Goexit()
}
