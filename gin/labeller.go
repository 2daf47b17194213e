package holdfastgin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// labeller stands in for the response writer of a request, to set the headers of
// [Provenance] at the last moment.
type labeller struct {
	gin.ResponseWriter
	ctx    context.Context
	values [2]string // of the headers
}

// begin puts it in the place of the response writer.
func (w *labeller) begin(c *gin.Context) {
	w.ResponseWriter = c.Writer
	c.Writer = w
}

// end also runs while a panic passes, so that what Recovery answers has the headers.
func (w *labeller) end(c *gin.Context) {
	w.label()
	if c.Writer == gin.ResponseWriter(w) { // whoever wrapped this writer and left it so may still write by it
		c.Writer = w.ResponseWriter
	}
}

// label sets the headers, unless they were sent.
func (w *labeller) label() {
	if w.Written() {
		return
	}
	p, ok := provenance.From(w.ctx)
	if !ok || p.Level == core.None {
		return
	}
	h := w.Header()
	w.values[0] = p.Level.String()
	h[HeaderLevel] = w.values[:1:1]
	if p.Level.AtLeast(core.Live) || p.Age == 0 {
		delete(h, HeaderAge)
		return
	}
	w.values[1] = strconv.FormatInt(int64(p.Age/time.Second), 10)
	h[HeaderAge] = w.values[1:2:2]
}

// Unwrap is for http.ResponseController.
func (w *labeller) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeaderNow implements gin.ResponseWriter.
func (w *labeller) WriteHeaderNow() {
	w.label()
	w.ResponseWriter.WriteHeaderNow()
}

// Write implements io.Writer.
func (w *labeller) Write(b []byte) (int, error) {
	w.label()
	return w.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (w *labeller) WriteString(s string) (int, error) {
	w.label()
	return w.ResponseWriter.WriteString(s)
}

// Flush implements http.Flusher.
func (w *labeller) Flush() {
	w.label()
	w.ResponseWriter.Flush()
}
