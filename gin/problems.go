package holdfastgin

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// StatusClientClosedRequest is the status of a request whose client hung up before
// it was answered, as others call it too: nobody reads it, but logs and metrics do.
const StatusClientClosedRequest = 499

// ProblemOptions say how requests are refused. The zero value works.
type ProblemOptions struct {
	// WriteProblem answers with a problem, for programs whose clients know another
	// form, or want a problem to be completed first: Instance, say. It must abort the
	// request. Default [WriteProblem].
	WriteProblem func(c *gin.Context, p Problem)
	// Authorize lets a request see the texts of errors, as Detail: they name keys,
	// addresses and backends. Whatever it says, the text of an error that a handler
	// made public (gin.ErrorTypePublic) is Detail. Default: nobody.
	Authorize func(c *gin.Context) bool
	// RetryAfter is said where it is worth trying again, and the error does not say
	// when. Default 1 s; negative says nothing.
	RetryAfter time.Duration
	// TypeBase takes the place of [DefaultTypeBase].
	TypeBase string
	// Unknown makes errors that are of no kind a problem of status 500, or 400 if they
	// are of what a client sent (gin.ErrorTypeBind). Default false: they are left to
	// others.
	Unknown bool
}

func (o ProblemOptions) withDefaults() ProblemOptions {
	if o.WriteProblem == nil {
		o.WriteProblem = WriteProblem
	}
	if o.Authorize == nil {
		o.Authorize = func(*gin.Context) bool { return false }
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = time.Second
	}
	if o.TypeBase == "" {
		o.TypeBase = DefaultTypeBase
	}
	return o
}

// Problems returns a middleware that answers for handlers which end with an error
// (c.Error) and write nothing: with the [Problem] that [ProblemOf] finds in the
// newest error that has one. A status of 400 or more that the handler set by
// c.Status stays. The level is what [Provenance] knows, and 429 and 503 say when to
// come back: what the error knows, or ProblemOptions.RetryAfter, rounded up, and
// longer by up to a quarter or up to a second, whichever is more, so that those who
// were refused together do not come back together.
//
// A request that ended because its client hung up gets
// [StatusClientClosedRequest] and no body; one that the end of the process cut
// short is told that it is stopping. Panics pass through. Register it before the
// routes, and before middlewares whose errors it should see. The handler is safe
// for concurrent use.
func Problems(opts ProblemOptions) gin.HandlerFunc {
	opts = opts.withDefaults()
	return func(c *gin.Context) {
		f := failure{c: c, given: c.Request, status: c.Writer.Status()}
		c.Next()
		if len(c.Errors) > 0 && !c.Writer.Written() {
			opts.answer(f)
		}
	}
}

// failure is a request whose handler wrote nothing.
type failure struct {
	c      *gin.Context
	given  *http.Request // what came after may have given it another ctx, and ended that
	status int           // before the handlers; where no route matches, gin has set it
}

// answer answers for a handler.
func (o ProblemOptions) answer(f failure) {
	c := f.c
	for _, reported := range slices.Backward(c.Errors) {
		err := reported.Err
		if errors.Is(err, context.Canceled) {
			switch end := f.ending(); {
			case end != nil:
				err = errors.Join(end, err)
			case errors.Is(f.given.Context().Err(), context.Canceled):
				c.AbortWithStatus(StatusClientClosedRequest)
				return
			}
		}
		p, again, ok := problemOf(err, o.TypeBase)
		if !ok {
			continue
		}
		if _, whole := errors.AsType[Problem](err); !whole {
			o.complete(f, &p, again, reported)
		}
		o.WriteProblem(c, p.complete())
		return
	}
	if o.Unknown {
		p, last := Problem{}, c.Errors.Last()
		if last.IsType(gin.ErrorTypeBind) {
			p.Status = http.StatusBadRequest
		}
		o.complete(f, &p, false, last)
		o.WriteProblem(c, p.complete())
	}
}

// ending says whether the end of the process ended the request, and by which cause.
func (f failure) ending() error {
	for _, r := range [...]*http.Request{f.given, f.c.Request} {
		if cause := context.Cause(r.Context()); errors.Is(cause, errRequestsEnd) || errors.Is(cause, errStreamsEnd) {
			return cause
		}
	}
	return nil
}

// complete adds what the error alone does not say.
func (o ProblemOptions) complete(f failure, p *Problem, again bool, reported *gin.Error) {
	c := f.c
	if status := c.Writer.Status(); status >= 400 && status != f.status {
		p.Status = status
		if p.Type == "" {
			p.Title = "" // it is that of the status
		}
	}
	if reported.IsType(gin.ErrorTypePublic) || o.Authorize(c) {
		p.Detail = shortened(reported.Err.Error())
	}
	o.finish(c, p, again)
}

// finish adds the level and when to come back.
func (o ProblemOptions) finish(c *gin.Context, p *Problem, again bool) {
	if from, ok := provenance.From(c.Request.Context()); ok && p.Level == core.None {
		p.Level = from.Level
	}
	if p.RetryAfter == 0 && again {
		p.RetryAfter = max(o.RetryAfter, 0)
	}
	p.RetryAfter = spread(p.RetryAfter, rand.Int64N)
}

// spread makes d whole seconds, and up to a quarter longer.
func spread(d time.Duration, random func(n int64) int64) time.Duration {
	if d <= 0 {
		return 0
	}
	n := Problem{RetryAfter: d}.seconds()
	return time.Duration(n+random(max(n/4, 1)+1)) * time.Second
}

// shortened cuts a text that would be most of the traffic.
func shortened(text string) string {
	const longest = 4096
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}
