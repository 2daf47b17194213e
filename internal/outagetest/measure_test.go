package outagetest

import (
	"testing"
	"time"
)

const (
	pollEvery = time.Millisecond
	// patience is how long a test looks on after a limit, so that a failure says
	// how long it really took.
	patience = 30 * time.Second
)

// goal is one thing that has to come true within a limit.
type goal struct {
	what  string
	limit time.Duration
	met   func() bool
}

// measure waits for all goals, logs how long after since each was first met, and
// fails the test where that is over its limit.
func measure(t *testing.T, clause string, since time.Time, goals ...goal) {
	t.Helper()
	took := make([]time.Duration, len(goals))
	var longest time.Duration
	for _, g := range goals {
		longest = max(longest, g.limit)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for open := len(goals); open > 0; {
		for i, g := range goals {
			if took[i] == 0 && g.met() {
				took[i] = max(time.Since(since), 1)
				open--
			}
		}
		if open == 0 || time.Since(since) > longest+patience {
			break
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s: the test ended", clause)
		}
	}
	for i, g := range goals {
		if took[i] == 0 {
			t.Errorf("measured: %s: %s never, in %.2fs (limit %.2fs)", clause, g.what, time.Since(since).Seconds(), g.limit.Seconds())
			continue
		}
		report(t, clause, g.what, took[i], g.limit)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// report logs one measured time and fails the test if it is over its limit.
func report(t *testing.T, clause, what string, took, limit time.Duration) {
	t.Helper()
	t.Logf("measured: %s: %s %.3fs (limit %.2fs)", clause, what, took.Seconds(), limit.Seconds())
	if took > limit {
		t.Errorf("%s: %s took %.3fs; the limit is %.2fs", clause, what, took.Seconds(), limit.Seconds())
	}
}

// eventually waits for what is no measured claim, within patience.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !met() {
		if time.Since(began) > patience {
			t.Fatalf("not in %v: %s", patience, what)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("the test ended before: %s", what)
		}
	}
}

// outage waits until d after since: that long it lasts.
func outage(t *testing.T, since time.Time, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(time.Until(since.Add(d)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal("the test ended during the outage")
	}
}
