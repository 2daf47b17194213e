package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
	"github.com/holdfast-go/holdfast/policy"
)

// patient is an error that says when to come back.
type patient struct{ after time.Duration }

func (patient) Error() string               { return "patient" }
func (patient) Unwrap() error               { return core.ErrThrottled }
func (p patient) RetryAfter() time.Duration { return p.after }
func called(name string) string             { return DefaultTypeBase + name }
func noAnswer(err error) error {
	return &policy.NoAnswerError{Levels: []policy.LevelError{{Level: core.Live, Err: err}, {Level: core.Cached, Err: core.ErrDenied}}}
}

// openBreaker is what a breaker says that has just opened, for ten minutes.
func openBreaker(t *testing.T) error {
	t.Helper()
	c := policy.Must(policy.Breaker{MinCalls: 1, OpenFor: 10 * time.Minute})
	_ = c.Do(t.Context(), func(context.Context) error { return io.ErrUnexpectedEOF })
	return c.Do(t.Context(), func(context.Context) error { return nil })
}

func TestProblemOf_KnowsEachKind(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	_, noInstance := svc.Endpoints("inventory").Pick(t.Context())
	limited := policy.Must(policy.RateLimit{Rate: 1, Interval: 7 * time.Second})
	var used error
	for range 2 {
		used = limited.Do(t.Context(), func(context.Context) error { return nil })
	}
	slow := policy.Must(policy.Timeout{After: time.Millisecond})
	late := slow.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	driver := func(kind, err error) error {
		return &core.Error{Driver: "etcd", Op: "load", Key: "secret/key", Kind: kind, Err: err}
	}
	for name, row := range map[string]struct {
		err    error
		status int
		typ    string
		after  time.Duration
	}{
		"no instance":                  {noInstance, 503, called("no-instance"), 0},
		"rate limit":                   {used, 429, called("rate-limited"), 7 * time.Second},
		"bulkhead":                     {policy.ErrFull, 503, called("overloaded"), 0},
		"half-open breaker":            {policy.ErrOpen, 503, called("breaker-open"), 0},
		"timeout of a chain":           {late, 504, called("timeout"), 0},
		"timeout of a check":           {health.ErrTimeout, 504, called("timeout"), 0},
		"the caller's deadline":        {fmt.Errorf("x: %w", context.DeadlineExceeded), 504, called("timeout"), 0},
		"a driver's deadline":          {driver(core.ErrUnavailable, context.DeadlineExceeded), 504, called("timeout"), 0},
		"unavailable":                  {driver(core.ErrUnavailable, io.EOF), 503, called("unavailable"), 0},
		"throttled, with a word":       {patient{90 * time.Second}, 503, called("throttled"), 90 * time.Second},
		"throttled for too long":       {patient{1 << 62}, 503, called("throttled"), time.Hour},
		"throttled, nonsense":          {patient{-1}, 503, called("throttled"), 0},
		"denied":                       {driver(core.ErrDenied, nil), 503, called("denied"), 0},
		"closed":                       {core.ErrClosed, 503, called("draining"), 0},
		"requests end":                 {fmt.Errorf("x: %w", errRequestsEnd), 503, called("draining"), 0},
		"streams end":                  {errStreamsEnd, 503, called("draining"), 0},
		"starting":                     {errNotReady, 503, called("not-ready"), 0},
		"stale":                        {errStale, 503, called("stale"), 0},
		"not found":                    {fmt.Errorf("%w: no user", core.ErrNotFound), 404, "", 0},
		"conflict":                     {core.ErrConflict, 409, "", 0},
		"invalid":                      {core.ErrInvalid, 400, "", 0},
		"corrupt":                      {core.ErrCorrupt, 500, "", 0},
		"revision gone":                {core.ErrRevisionGone, 500, "", 0},
		"no answer, breaker":           {noAnswer(policy.ErrOpen), 503, called("breaker-open"), 0},
		"no answer, timeout":           {noAnswer(policy.ErrTimeout), 504, called("timeout"), 0},
		"no answer, nobody knows":      {noAnswer(errors.New("oh")), 503, called("unavailable"), 0},
		"no answer at all":             {&policy.NoAnswerError{}, 503, called("unavailable"), 0},
		"refused after a failed try":   {errors.Join(policy.ErrOpen, context.DeadlineExceeded), 503, called("breaker-open"), 0},
		"no place before the deadline": {errors.Join(policy.ErrFull, policy.ErrTimeout), 503, called("overloaded"), 0},
	} {
		p, ok := ProblemOf(row.err)
		if !ok || p.Status != row.status || p.Type != row.typ || p.RetryAfter != row.after {
			t.Errorf("%s (%v): %+v, %v; want status %d, type %q, after %v", name, row.err, p, ok, row.status, row.typ, row.after)
		}
		if p.Detail != "" || strings.Contains(p.Title, "secret") {
			t.Errorf("%s: the problem tells %q, %q", name, p.Title, p.Detail)
		}
	}
	if p, ok := ProblemOf(openBreaker(t)); !ok || p.Status != 503 || p.RetryAfter < 7*time.Minute || p.RetryAfter > 10*time.Minute {
		t.Errorf("an open breaker: %+v, %v; want to be told its remaining time", p, ok)
	}
	for _, err := range []error{nil, errors.New("oh"), io.EOF, context.Canceled} {
		if p, ok := ProblemOf(err); ok {
			t.Errorf("%v is %+v", err, p)
		}
	}
}
