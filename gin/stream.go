package holdfastgin

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// Stream marks a route whose responses never end by themselves: the contexts of
// its requests (c.Request.Context()) are cancelled as soon as the server accepts
// nothing new, and not only when the time for requests under way is nearly over.
// Requests that accept text/event-stream and nothing else, or ask for an upgrade
// (WebSocket), are recognised without it. By a server that has no [Lifecycle] it does nothing.
func Stream() gin.HandlerFunc {
	return func(c *gin.Context) {
		l := lifecycleOf(c.Request.Context())
		if l == nil {
			return
		}
		given := c.Request
		ctx, cancel := l.streamContext(given.Context())
		defer cancel()
		c.Request = given.WithContext(ctx)
		defer func() { keepForm(c.Request, given) }()
		c.Next()
	}
}

// streams reports whether a request is for something without an end.
func streams(r *http.Request) bool {
	for _, protocol := range r.Header["Upgrade"] {
		// Some clients offer HTTP/2 with every request, and it stays one.
		if !strings.EqualFold(strings.TrimSpace(protocol), "h2c") {
			return true
		}
	}
	return eventsAlone(r.Header["Accept"])
}

// eventsAlone reports whether a client takes a stream of events and nothing else:
// who takes an ordinary answer as well may be waiting for one, which must not be
// cut short.
func eventsAlone(accept []string) bool {
	found := false
	for _, line := range accept {
		for one := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(one, ";")
			switch kind = strings.TrimSpace(kind); {
			case kind == "":
			case strings.EqualFold(kind, "text/event-stream"):
				found = true
			default:
				return false
			}
		}
	}
	return found
}

// streamContext is a request's ctx that ends with the streams.
func (l *Lifecycle) streamContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.streams, func() { cancel(errStreamsEnd) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
