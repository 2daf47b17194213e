package holdfastgin

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// exchange is one request that is measured. It stands in for the response writer,
// to notice when the response becomes a stream.
type exchange struct {
	gin.ResponseWriter
	c        *gin.Context
	meter    *meter
	of       *meteredMethod
	began    time.Duration // since the meter's epoch
	returned bool          // the handlers returned: they did not panic
	stream   bool          // it was measured when the stream began; such an exchange is not used again
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Flush implements http.Flusher. Streams of events must flush, so that this is
// where one begins.
func (x *exchange) Flush() {
	x.ResponseWriter.Flush()
	if !x.stream && x.meter != nil && events(x.Header()) {
		x.begin(x.Status())
	}
}

// Hijack implements http.Hijacker.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := x.ResponseWriter.Hijack()
	if err == nil && !x.stream && x.meter != nil {
		x.begin(http.StatusSwitchingProtocols)
	}
	return conn, rw, err
}

// begin measures a stream.
func (x *exchange) begin(code int) {
	x.stream = true
	x.meter.series.streams.Inc()
	x.meter.observe(x, code)
}

// end measures what is no stream. It runs while a panic passes, too, and leaves
// it to whoever recovers.
func (x *exchange) end() {
	m, code := x.meter, x.Status()
	x.of.active.Dec()
	if !x.returned {
		code = http.StatusInternalServerError
	}
	// Whoever wrapped this writer and left it so may still write by it.
	alone := x.c.Writer == gin.ResponseWriter(x)
	if alone {
		x.c.Writer = x.ResponseWriter
	}
	if x.stream {
		m.series.streams.Dec()
	} else {
		m.observe(x, code)
	}
	reuse := alone && !x.stream // a goroutine that outlives a stream must not meet another request
	x.c, x.meter = nil, nil
	if reuse { // with its writer, so that who keeps it by mistake fares as with gin's own
		m.exchanges.Put(x)
	}
}

// events reports whether a response is a stream of events.
func events(h http.Header) bool {
	for _, v := range h["Content-Type"] {
		if strings.HasPrefix(v, "text/event-stream") {
			return true
		}
	}
	return false
}
