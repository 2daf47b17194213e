package holdfastgin

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
)

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// Problem is why a request was not answered as it should be, in the terms of
// RFC 9457. It is an error too, for code that wants to say exactly what the client
// is told; [Problems] then takes it as it is.
type Problem struct {
	// Type is a URI that names the kind of problem. Default "about:blank": the status
	// says it all.
	Type string
	// Title says the kind of problem to people, and is the same for each of its kind.
	// Default: the text of the status.
	Title string
	// Status is that of the response, 400 to 599; anything else reads as 500.
	Status int
	// Detail says what happened this time, to people. Default none.
	Detail string
	// Instance is a URI that names this occurrence. Default none.
	Instance string
	// Level is where the answer would have come from, the member "level". Default
	// core.None: not said.
	Level core.Level
	// RetryAfter is how long the client should wait at least: the header Retry-After
	// and the member "retry_after", both in whole seconds, rounded up. Default: not
	// said.
	RetryAfter time.Duration
	// Extensions are further members. One that is named like a field above is
	// ignored. It belongs to the caller, and must not change while it is written.
	Extensions map[string]any
}

// Error implements error: the title, and the detail if there is one.
func (p Problem) Error() string {
	p = p.complete()
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// complete replaces what reads as something else.
func (p Problem) complete() Problem {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	if p.Title == "" {
		if p.Title = http.StatusText(p.Status); p.Title == "" {
			p.Title = "Status " + strconv.Itoa(p.Status)
		}
	}
	return p
}

// seconds is RetryAfter in whole seconds.
func (p Problem) seconds() int64 {
	const second = int64(time.Second)
	if p.RetryAfter <= 0 {
		return 0
	}
	return (int64(p.RetryAfter)-1)/second + 1
}

// members are those of a problem that RFC 9457 and this package know.
type members struct {
	Type       string `json:"type,omitempty"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail,omitempty"`
	Instance   string `json:"instance,omitempty"`
	Level      string `json:"level,omitempty"`
	RetryAfter int64  `json:"retry_after,omitempty"`
}

var memberNames = [...]string{"type", "title", "status", "detail", "instance", "level", "retry_after"}

// MarshalJSON writes the problem as RFC 9457 wants it, its extensions last and
// sorted. It fails if an extension can't be written.
func (p Problem) MarshalJSON() ([]byte, error) {
	p = p.complete()
	m := members{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail, Instance: p.Instance, RetryAfter: p.seconds()}
	if p.Level != core.None {
		m.Level = p.Level.String()
	}
	text, err := json.Marshal(m)
	if err != nil || len(p.Extensions) == 0 {
		return text, err
	}
	more := maps.Clone(p.Extensions)
	for _, name := range memberNames {
		delete(more, name)
	}
	extensions, err := json.Marshal(more)
	if err != nil || len(more) == 0 {
		return text, err
	}
	text[len(text)-1] = ','
	return append(text, extensions[1:]...), nil
}

// WriteProblem answers a request with a problem: the type application/problem+json
// whatever the client accepts, Retry-After, and Cache-Control: no-store. A request
// by HEAD gets no body. No further handler runs. Where something was written
// already, that is all it does.
//
// Extensions that can't be written are left out.
func WriteProblem(c *gin.Context, p Problem) {
	c.Abort()
	if c.Writer.Written() {
		return
	}
	p = p.complete()
	text, err := json.Marshal(p)
	if err != nil {
		p.Extensions = nil
		text, _ = json.Marshal(p) // texts and numbers alone
	}
	h := c.Writer.Header()
	for _, ofAnother := range [...]string{"Content-Length", "Etag", "Last-Modified"} {
		h.Del(ofAnother) // a handler had meant to answer
	}
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	if s := p.seconds(); s > 0 {
		h.Set("Retry-After", strconv.FormatInt(s, 10))
	}
	c.Status(p.Status)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return
	}
	_, _ = c.Writer.Write(text)
}
