package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/policy"
)

// retryAfter is what an error says of when to come back; -1 if it does not.
func retryAfter(err error) time.Duration {
	r, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return -1
	}
	return r.RetryAfter()
}

func TestBreaker_SaysWhenTheNextProbeIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: 10 * time.Second})
		_ = c.Do(t.Context(), func(context.Context) error { return errors.New("broken") })
		l, _ := c.State().Layer("breaker")
		err := c.Do(t.Context(), succeed)
		if got, want := retryAfter(err), time.Until(l.Until); !errors.Is(err, policy.ErrOpen) || got != want || got < 8*time.Second {
			t.Fatalf("%v, to be tried again after %v; want ErrOpen and %v", err, got, want)
		}
		time.Sleep(3 * time.Second)
		if got, want := retryAfter(err), time.Until(l.Until); got != want {
			t.Errorf("the same refusal 3 s later: %v; want %v", got, want)
		}
		time.Sleep(10 * time.Second)
		if got := retryAfter(err); got != 0 {
			t.Errorf("after the breaker's time: %v; want 0", got)
		}
		// While a probe runs nobody knows.
		_ = c.Do(t.Context(), func(ctx context.Context) error {
			if beside := c.Do(ctx, succeed); !errors.Is(beside, policy.ErrOpen) || retryAfter(beside) != -1 {
				t.Errorf("beside a probe: %v, to be tried again after %v", beside, retryAfter(beside))
			}
			return nil
		})
	})
}

func TestRateLimit_SaysWhenATurnIsFree(t *testing.T) {
	for name, row := range map[string]struct {
		layer policy.RateLimit
		want  time.Duration
	}{
		"burst":       {policy.RateLimit{Rate: 4, Interval: 8 * time.Second}, 8 * time.Second},
		"part burst":  {policy.RateLimit{Rate: 4, Interval: 8 * time.Second, Burst: 2}, 4 * time.Second},
		"spread":      {policy.RateLimit{Rate: 4, Interval: 8 * time.Second, Burst: 1}, 2 * time.Second},
		"with a wait": {policy.RateLimit{Rate: 4, Interval: 8 * time.Second, Burst: 1, MaxWait: time.Second}, 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := policy.Must(row.layer)
			var err error
			for range 10 {
				if err = c.Do(t.Context(), succeed); err != nil {
					break
				}
			}
			if got := retryAfter(err); !errors.Is(err, policy.ErrLimited) || got != row.want {
				t.Fatalf("%s: %v, to be tried again after %v; want ErrLimited and %v", name, err, got, row.want)
			}
			time.Sleep(row.want)
			if err := c.Do(t.Context(), succeed); err != nil {
				t.Errorf("%s: %v after the time that was said", name, err)
			}
		})
	}
}
