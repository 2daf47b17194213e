package health

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSet_AnswersAllProbesWhileACheckHangs(t *testing.T) {
	for _, probes := range []int{10, 50} {
		t.Run(fmt.Sprint(probes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, bad := newSet(t), newHung("bad")
				register(t, s, bad, CheckOptions{Timeout: 300 * time.Millisecond})
				register(t, s, newPart("good"), CheckOptions{})
				began := time.Now()

				var wg sync.WaitGroup
				reports := make([]Report, probes)
				for i := range probes {
					wg.Go(func() { reports[i] = s.Group(t.Context(), Ready) })
				}
				wg.Wait()
				if took := time.Since(began); took != 300*time.Millisecond {
					t.Errorf("the probes took %v", took)
				}
				for _, r := range reports {
					if r.Status != Down || r.Checks[0].Status != Down || r.Checks[1].Status != Up || !slices.Equal(r.Checks[0].Reasons, []string{"timeout"}) {
						t.Errorf("got %v, %v %v and %v", r.Status, r.Checks[0].Status, r.Checks[0].Reasons, r.Checks[1].Status)
					}
				}

				// Later probes do not wait, and start nothing.
				for range probes {
					began := time.Now()
					if r := s.Group(t.Context(), Ready); r.Status != Down || time.Since(began) != 0 {
						t.Errorf("a later probe got %v after %v", r.Status, time.Since(began))
					}
					time.Sleep(time.Minute) // of the bubble
				}
				synctest.Wait()
				if n := owned(); n != 1 || bad.runs.Load() != 1 {
					t.Errorf("%d goroutines, %d runs", n, bad.runs.Load())
				}

				bad.release()
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				settles(t, "goroutines of the set", owned, 0)
			})
		})
	}
}

// owned counts the goroutines of sets.
func owned() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "health.(*tasks).run.func1(")
}

// settles waits until a count is at most so many. In a bubble, where no time
// passes meanwhile, it counts its turns.
func settles(t *testing.T, what string, count func() int, most int) {
	t.Helper()
	began := time.Now()
	for turn := 0; count() > most; turn++ {
		runtime.Gosched()
		if time.Since(began) > 20*time.Second || turn > 1_000_000 {
			t.Fatalf("%d %s, want %d", count(), what, most)
		}
	}
}

func TestSet_RunsWhatHungAgainOnceItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bad := newSet(t), newHung("bad")
		register(t, s, bad, CheckOptions{Timeout: 300 * time.Millisecond})
		s.Group(t.Context(), Ready)
		time.Sleep(time.Hour)
		bad.release()
		synctest.Wait()
		if r := s.Group(t.Context(), Ready); r.Status != Up || r.Degraded || bad.runs.Load() != 2 {
			t.Errorf("got %v after %d runs", r.Status, bad.runs.Load())
		}
	})
}

// The same on a real clock and a real machine, with room for it to be busy.
func TestSet_AnswersAllProbesInRealTime(t *testing.T) {
	s, bad := newSet(t), newHung("bad")
	register(t, s, bad, CheckOptions{Timeout: 300 * time.Millisecond})
	before := runtime.NumGoroutine()
	began := time.Now()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { s.Group(t.Context(), Ready) })
	}
	wg.Wait()
	took := time.Since(began)
	t.Logf("50 probes took %v", took)
	if took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("50 probes took %v", took)
	}
	if bad.runs.Load() != 1 {
		t.Errorf("it was run %d times", bad.runs.Load())
	}
	settles(t, "goroutines while it hangs", runtime.NumGoroutine, before+1)
	bad.release()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	settles(t, "goroutines once it returned", runtime.NumGoroutine, before)
}

func TestSet_CostsTheSlowestCheckNotTheSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t)
		for i := range 5 {
			register(t, s, Func(fmt.Sprint("part", i), func(context.Context) error {
				time.Sleep(time.Duration(i+1) * 100 * time.Millisecond)
				return nil
			}), CheckOptions{})
		}
		began := time.Now()
		if r := s.All(t.Context()); r.Status != Up || time.Since(began) != 500*time.Millisecond {
			t.Errorf("%v after %v", r.Status, time.Since(began))
		}
	})
}

func TestSet_GivesTheRunItsOwnDeadlineAndNotThatOfTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t)
		var cause error
		register(t, s, Func("slow", func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		}), CheckOptions{Timeout: 300 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if r := s.Group(ctx, Ready); r.Status != Down || r.Checks[0].Status != Unknown || time.Since(began) != 100*time.Millisecond {
			t.Errorf("who leaves early gets %v, %v after %v", r.Status, r.Checks[0].Status, time.Since(began))
		}
		r := s.Group(t.Context(), Ready)
		if time.Since(began) != 300*time.Millisecond {
			t.Errorf("who stays waited until %v", time.Since(began))
		}
		synctest.Wait()
		st := r.Checks[0]
		if !errors.Is(st.Err, ErrTimeout) || !errors.Is(cause, ErrTimeout) || st.Err.Error() != "timeout: no answer within 300ms" || st.Took != 300*time.Millisecond || st.Runs != 1 {
			t.Errorf("got %+v, cause %v", st, cause)
		}
	})
}

func TestSet_CountsAHungRunOncePerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, block := newSet(t), newPart("x"), make(chan struct{})
		var hang atomic.Bool
		register(t, s, Func("x", func(ctx context.Context) error {
			if hang.Load() {
				<-block
			}
			return p.Check(ctx).Err
		}), CheckOptions{Timeout: 100 * time.Millisecond, Every: time.Second, Failures: 3})
		s.All(t.Context())
		hang.Store(true)
		time.Sleep(time.Second + 150*time.Millisecond)
		if st := s.States()[0]; st.Status != Up || !st.Degraded || !strings.Contains(strings.Join(st.Reasons, ";"), "1 of 3") {
			t.Errorf("after one limit: %+v", st)
		}
		time.Sleep(200 * time.Millisecond)
		if st := s.States()[0]; st.Status != Down || st.Runs != 4 || st.Failed != 3 {
			t.Errorf("after three limits: %+v", st)
		}
		close(block)
	})
}

func TestSet_CloseNamesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bad := newSet(t), newHung("bad")
		register(t, s, bad, CheckOptions{Timeout: time.Second, Every: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		err := s.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "bad") || time.Since(began) != 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		bad.release()
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil || bad.runs.Load() != 1 {
			t.Errorf("got %v, %d runs", err, bad.runs.Load())
		}
	})
}

func TestSet_UnregisterAndCloseCancelWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t)
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for _, name := range []string{"a", "b"} {
			register(t, s, Func(name, slow), CheckOptions{Timeout: time.Hour, Every: time.Hour})
		}
		synctest.Wait()
		began := time.Now()
		s.Unregister("a")
		synctest.Wait()
		if names := s.tasks.names(); !slices.Equal(names, []string{"b"}) {
			t.Errorf("%v run", names)
		}
		if err := s.Close(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if st := s.States()[0]; st.Status != Unknown {
			t.Errorf("what was cancelled became %v", st.Status)
		}
	})
}

func TestSet_UnregisteredWhileItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bad := newSet(t), newHung("bad")
		register(t, s, bad, CheckOptions{Timeout: 300 * time.Millisecond})
		var wg sync.WaitGroup
		var got Report
		wg.Go(func() { got = s.Group(t.Context(), Ready) })
		synctest.Wait()
		if !s.Unregister("bad") || s.Unregister("bad") {
			t.Error("it is not there once")
		}
		wg.Wait()
		if got.Checks[0].Status != Unknown {
			t.Errorf("what was removed became %v", got.Checks[0].Status)
		}
		if r := s.Group(t.Context(), Ready); r.Status != Up || len(r.Checks) != 0 {
			t.Errorf("got %+v", r)
		}
		bad.release()
	})
}
