package holdfastgin

import (
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// durationSeries is the histogram of one method, route and status.
type durationSeries struct {
	code      int
	observer  prometheus.Observer
	exemplars prometheus.ExemplarObserver // the same, if it takes exemplars
	buckets   []float64
	due       []atomic.Int64 // by bucket: when the next exemplar is taken, since the meter's epoch
}

const (
	exemplarEvery  = time.Second
	longestTraceID = 64 // characters; an exemplar may hold 128 with its name
)

// observe adds a duration that ended at a moment since the meter's epoch. It asks
// for the trace only when the bucket is due for an exemplar: one per request would
// cost more than all the rest, and only the last before a scrape is seen.
func (d *durationSeries) observe(took, now time.Duration, trace func(*gin.Context) string, c *gin.Context) {
	seconds := took.Seconds()
	due := d.dueOf(seconds)
	next := due.Load()
	if int64(now) < next || d.exemplars == nil {
		d.observer.Observe(seconds)
		return
	}
	id := trace(c)
	if id == "" || !validTraceID(id) || !due.CompareAndSwap(next, int64(now+exemplarEvery)) {
		d.observer.Observe(seconds)
		return
	}
	d.exemplars.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": id})
}

// dueOf finds the bucket of a duration.
func (d *durationSeries) dueOf(seconds float64) *atomic.Int64 {
	i := 0
	for i < len(d.buckets) && seconds > d.buckets[i] {
		i++
	}
	return &d.due[i]
}

func validTraceID(id string) bool {
	return len(id) <= longestTraceID*utf8.UTFMax && utf8.ValidString(id) && utf8.RuneCountInString(id) <= longestTraceID
}

// traceparent reads the header of W3C Trace Context:
// 00-<trace ID, 32 digits>-<parent ID, 16 digits>-<flags, 2 digits>.
// What later versions append after another dash is allowed.
func traceparent(c *gin.Context) string {
	values := c.Request.Header["Traceparent"]
	if len(values) != 1 {
		return ""
	}
	const trace, parent, flags, end = 3, 36, 53, 55
	v := values[0]
	switch {
	case len(v) < end || v[trace-1] != '-' || v[parent-1] != '-' || v[flags-1] != '-',
		!hexadecimal(v[:trace-1]) || v[:trace-1] == "ff",
		v[:trace-1] == "00" && len(v) != end, len(v) > end && v[end] != '-',
		!hexadecimal(v[trace:parent-1]) || zeros(v[trace:parent-1]),
		!hexadecimal(v[parent:flags-1]) || zeros(v[parent:flags-1]),
		!hexadecimal(v[flags:end]) || !odd(v[end-1]):
		return ""
	}
	return v[trace : parent-1]
}

func hexadecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}

// odd reports whether the lowest bit of a digit, the flag sampled, is set.
func odd(digit byte) bool {
	if digit >= 'a' {
		return (digit-'a')%2 == 1
	}
	return (digit-'0')%2 == 1
}
