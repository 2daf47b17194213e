package holdfastgin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// DefaultTypeBase begins the type of every problem that [ProblemOf] makes; the
// name of the kind follows.
const DefaultTypeBase = "https://github.com/holdfast-go/holdfast/blob/main/docs/gin.md#"

// The refusals of this package.
var (
	errNotReady = errors.New("holdfastgin: the process is still starting")
	errStale    = errors.New("holdfastgin: what is known is worse or older than this route allows")
)

// problemKind is a kind of problem that errors lead to.
type problemKind struct {
	name   string // of the type; "" is about:blank
	title  string
	status int
	again  bool // worth trying again, though nobody said when
	errs   []error
}

// unavailable is also what is said where no level of a fallback answered.
var unavailable = problemKind{"unavailable", "Something that is needed is not available", http.StatusServiceUnavailable, true,
	[]error{core.ErrUnavailable}}

// problemKinds lists the kinds, what says more before what says less: an error of
// several kinds is of the first.
var problemKinds = [...]problemKind{
	{"not-ready", "The service is starting", http.StatusServiceUnavailable, true, []error{errNotReady}},
	{"stale", "What the service knows is out of date", http.StatusServiceUnavailable, true, []error{errStale}},
	{"draining", "The service is stopping", http.StatusServiceUnavailable, true, []error{errRequestsEnd, errStreamsEnd}},
	{"no-instance", "No instance of a needed service is up", http.StatusServiceUnavailable, true, []error{holdfast.ErrNoInstance}},
	{"breaker-open", "Something that is needed fails and is not asked for now", http.StatusServiceUnavailable, true, []error{policy.ErrOpen}},
	{"rate-limited", "Too many requests", http.StatusTooManyRequests, true, []error{policy.ErrLimited}},
	{"overloaded", "Too many requests at a time", http.StatusServiceUnavailable, true, []error{policy.ErrFull}},
	{"throttled", "Something that is needed asks for fewer requests", http.StatusServiceUnavailable, true, []error{core.ErrThrottled}},
	{"denied", "Something that is needed refuses until a person acts", http.StatusServiceUnavailable, false, []error{core.ErrDenied}},
	{"timeout", "Something that is needed took too long", http.StatusGatewayTimeout, false, []error{policy.ErrTimeout, context.DeadlineExceeded}},
	unavailable,
	{"draining", "The service is stopping", http.StatusServiceUnavailable, true, []error{core.ErrClosed}},
	{"", "", http.StatusNotFound, false, []error{core.ErrNotFound}},
	{"", "", http.StatusConflict, false, []error{core.ErrConflict}},
	{"", "", http.StatusBadRequest, false, []error{core.ErrInvalid}},
	{"", "", http.StatusInternalServerError, false, []error{core.ErrCorrupt, core.ErrRevisionGone}},
}

func (k problemKind) is(err error) bool {
	for _, kind := range k.errs {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// problem is one of the kind.
func (k problemKind) problem(base string) Problem {
	p := Problem{Title: k.title, Status: k.status}
	if k.name != "" {
		p.Type = base + k.name
	}
	return p.complete()
}

// ProblemOf says what problem an error is for a client:
//
//   - a [Problem] is itself;
//   - 503: no instance is up ([holdfast.ErrNoInstance]), an open breaker, a full
//     bulkhead, a fallback without an answer, a process that stops, and the kinds
//     [core.ErrUnavailable], [core.ErrThrottled], [core.ErrDenied] and
//     [core.ErrClosed]; 429: a used up rate limit; 504: whatever took too long;
//   - 404, 409 and 400: the kinds [core.ErrNotFound], [core.ErrConflict] and
//     [core.ErrInvalid]; 500: [core.ErrCorrupt] and [core.ErrRevisionGone].
//
// Every other error is none; ok is false then. RetryAfter is what the error says by
// a method RetryAfter() time.Duration, as open breakers, rate limits and responses
// do, and at most an hour. The text of the error is not part of the problem: it may
// name keys, addresses and backends.
func ProblemOf(err error) (p Problem, ok bool) {
	p, _, ok = problemOf(err, DefaultTypeBase)
	return p, ok
}

// longestRetryAfter bounds what clients are told: a word of somebody far away must
// not keep them away for good.
const longestRetryAfter = time.Hour

// problemOf also says whether it is worth trying again although nobody said when.
func problemOf(err error, base string) (p Problem, again, ok bool) {
	if err == nil {
		return Problem{}, false, false
	}
	if p, ok := errors.AsType[Problem](err); ok {
		return p, false, true
	}
	kind, ok := kindOf(err)
	if !ok {
		return Problem{}, false, false
	}
	p = kind.problem(base)
	if r, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		p.RetryAfter = min(max(r.RetryAfter(), 0), longestRetryAfter)
	}
	return p, kind.again, true
}

func kindOf(err error) (problemKind, bool) {
	// What the live call said, not what its fallbacks did.
	if none, ok := errors.AsType[*policy.NoAnswerError](err); ok {
		if len(none.Levels) > 0 {
			if k, ok := kindOf(none.Levels[0].Err); ok {
				return k, true
			}
		}
		return unavailable, true
	}
	for _, k := range problemKinds {
		if k.is(err) {
			return k, true
		}
	}
	return problemKind{}, false
}
