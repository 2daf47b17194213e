package policy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// statusError is a response that counts as a failure.
type statusError struct {
	status int
	after  time.Duration
}

func newStatusError(resp *http.Response) *statusError {
	return &statusError{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
}

// Error implements error.
func (e *statusError) Error() string {
	return "policy: status " + strconv.Itoa(e.status) + " " + http.StatusText(e.status)
}

// Unwrap returns the kind.
func (e *statusError) Unwrap() error {
	if e.status == http.StatusTooManyRequests {
		return core.ErrThrottled
	}
	return core.ErrUnavailable
}

// RetryAfter is what [Retry] asks; 0 if the server did not say.
func (e *statusError) RetryAfter() time.Duration { return e.after }

// longestRetryAfter bounds what is believed, so that no arithmetic overflows: any
// Retry.MaxDelay is shorter.
const longestRetryAfter = 366 * 24 * time.Hour

// retryAfter reads how long a server asks to be left alone: seconds, or a date,
// which is compared with the server's own clock if it shows it. It is 0 if the
// header is missing, nonsense, or in the past.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(longestRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(at.Sub(now), 0), longestRetryAfter)
}
