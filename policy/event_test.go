package policy_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestOnChange_TellsEachChangeOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second})
		var out bytes.Buffer
		var got []policy.Event
		defer c.OnChange(policy.LogTo(slog.New(slog.NewTextHandler(&out, nil)), "users"))()
		defer c.OnChange(policy.LogTo(nil, "nobody"))()
		stop := c.OnChange(func(e policy.Event) { got = append(got, e) })
		broken := errors.New("connection refused")
		for range 3 {
			_ = c.Do(t.Context(), func(context.Context) error { return broken })
		}
		time.Sleep(time.Second)
		_ = c.Do(t.Context(), succeed)
		_ = c.Do(t.Context(), succeed)
		synctest.Wait()
		stop()
		_ = c.Do(t.Context(), unavailable)
		_ = c.Do(t.Context(), unavailable)
		synctest.Wait()
		want := []policy.BreakerState{policy.Open, policy.HalfOpen, policy.Closed}
		if len(got) != len(want) {
			t.Fatalf("%d events; want %d: %+v", len(got), len(want), got)
		}
		from := policy.Closed
		for i, e := range got {
			if e.From != from || e.To != want[i] {
				t.Errorf("event %d is %v to %v; want %v to %v", i, e.From, e.To, from, want[i])
			}
			from = want[i]
		}
		if e := got[0]; !errors.Is(e.Err, broken) || e.FailureRate != 1 || e.Until.Sub(e.At) > time.Second {
			t.Errorf("the event of opening is %+v", e)
		}
		for _, s := range []string{"level=WARN", `msg="policy: breaker is open"`, "chain=users", `error="connection refused"`, "from=open to=half-open", "level=INFO"} {
			if !strings.Contains(out.String(), s) {
				t.Errorf("the log lacks %q:\n%s", s, out.String())
			}
		}
	})
}

func TestOnChange_BadReceiversHarmNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second})
		hang := make(chan struct{})
		var mu sync.Mutex
		told := 0
		c.OnChange(func(policy.Event) { panic("receiver") })
		c.OnChange(func(policy.Event) { runtime.Goexit() })
		c.OnChange(func(policy.Event) { <-hang; mu.Lock(); told++; mu.Unlock() })
		flap := func() {
			_ = c.Do(t.Context(), unavailable)
			time.Sleep(time.Second)
			if err := c.Do(t.Context(), succeed); err != nil {
				t.Fatalf("the breaker waits for a receiver: %v", err)
			}
		}
		for range 200 { // 600 changes
			flap()
		}
		close(hang)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if told == 0 || told > 257 {
			t.Errorf("%d events came; want some, and at most 256 that waited and the one at hand", told)
		}
	})
}

func TestOnChange_ReceiverMayUseTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second})
		var stop func()
		told := 0
		stop = c.OnChange(func(policy.Event) {
			told++
			_ = c.State()
			_ = c.Do(t.Context(), succeed)
			stop()
		})
		_ = c.Do(t.Context(), unavailable)
		time.Sleep(time.Second)
		_ = c.Do(t.Context(), succeed)
		synctest.Wait()
		if told != 1 {
			t.Errorf("%d events after stop in the first; want 1", told)
		}
	})
}

// TestChain_Concurrently hammers all layers at once; the race detector and the
// sums at the end are the judges.
func TestChain_Concurrently(t *testing.T) {
	budget := &policy.RetryBudget{}
	c := policy.Must(
		policy.Timeout{After: time.Minute}, policy.Retry{Delay: time.Microsecond, Budget: budget}, policy.Hedge{Delay: 20 * time.Microsecond},
		policy.Breaker{MinCalls: 5, OpenFor: time.Millisecond, Window: 10 * time.Millisecond, HalfOpenProbes: 3},
		policy.RateLimit{Rate: 1e9}, policy.Bulkhead{MaxConcurrent: 4, MaxWait: time.Millisecond}, policy.Timeout{After: time.Millisecond, Abandon: true},
	)
	var mu sync.Mutex
	var events []policy.Event
	stop := c.OnChange(func(e policy.Event) { mu.Lock(); events = append(events, e); mu.Unlock() })
	const workers, calls = 8, 300
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range calls {
				v, err := policy.Call(t.Context(), c, func(ctx context.Context) (int, error) {
					switch (w + i) % 10 {
					case 0, 1, 2, 3:
						return 0, core.ErrUnavailable
					case 4:
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return i, nil
				})
				if err == nil && v != i {
					t.Errorf("the value is %d; want %d", v, i)
				}
				_ = c.State()
			}
		})
	}
	wg.Wait()
	stop()
	s := c.State()
	if s.Calls != workers*calls || s.InFlight != 0 {
		t.Errorf("%d calls, %d in flight; want %d, 0", s.Calls, s.InFlight, workers*calls)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(events) == 0 {
		t.Error("the breaker never changed its state: this tests nothing")
	}
	for i := 1; i < len(events); i++ {
		if events[i].From != events[i-1].To {
			t.Fatalf("event %d goes from %v, the one before went to %v", i, events[i].From, events[i-1].To)
		}
	}
}

// TestBreaker_LetsOnlyTheProbesThrough has many callers meet a breaker that is
// about to be half-open.
func TestBreaker_LetsOnlyTheProbesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, probes = 1000, 3
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second, HalfOpenProbes: probes})
		_ = c.Do(t.Context(), unavailable)
		time.Sleep(time.Second)
		var mu sync.Mutex
		called, refused := 0, 0
		release := make(chan struct{})
		for range callers {
			go func() {
				err := c.Do(t.Context(), func(context.Context) error {
					mu.Lock()
					called++
					mu.Unlock()
					<-release
					return nil
				})
				if errors.Is(err, policy.ErrOpen) {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			}()
		}
		synctest.Wait()
		if called != probes || refused != callers-probes {
			t.Errorf("%d of %d callers got through, %d were refused; want %d and the rest", called, callers, refused, probes)
		}
		close(release)
		synctest.Wait()
		if got := breakerOf(t, c).Breaker; got != policy.Closed {
			t.Errorf("the breaker is %v after its probes succeeded; want closed", got)
		}
	})
}

func TestBreaker_ClosesAfterSoManyProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: time.Second, HalfOpenProbes: 3})
		_ = c.Do(t.Context(), unavailable)
		time.Sleep(time.Second)
		release := make(chan struct{})
		_ = c.Do(t.Context(), succeed)
		for range 2 {
			go func() { _ = c.Do(t.Context(), func(context.Context) error { <-release; return nil }) }()
		}
		synctest.Wait()
		// One has succeeded and two run: a third beside them could only be too much.
		if err := c.Do(t.Context(), succeed); !errors.Is(err, policy.ErrOpen) {
			t.Errorf("a fourth probe of three: %v; want ErrOpen", err)
		}
		close(release)
		synctest.Wait()
		if got := breakerOf(t, c).Breaker; got != policy.Closed {
			t.Errorf("the breaker is %v after three probes succeeded; want closed", got)
		}
	})
}
