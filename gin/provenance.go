package holdfastgin

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// The headers of [Provenance]. They are not those of HTTP caching (RFC 9111): Age
// is what a cache between client and service says of the response it keeps, and
// Warning is obsolete. Where a response was kept by a cache, its data is as old as
// both ages together.
const (
	HeaderLevel = "Holdfast-Level" // "live", "memory", "replica", "cached", "default", "empty"
	HeaderAge   = "Holdfast-Age"   // whole seconds, rounded down, where the level is below live and something has an age
)

// ProvenanceOptions refine [Provenance]. The zero value works.
type ProvenanceOptions struct {
	// Of lists what goes into the answers: [ConfigPart], [ValuePart], [EndpointsPart],
	// or a function of the program's own. Default: the configuration and the endpoints
	// of every service that svc looks for.
	Of []Part
	// Headers tells clients: the headers Holdfast-Level and Holdfast-Age. Default
	// false.
	Headers bool
	// Refresh is how long what the parts said is believed. Default 100 ms; negative
	// asks them with each request.
	Refresh time.Duration
}

// Provenance puts a [provenance.Scope] into the context of each request
// (c.Request.Context()), and notes in it how the parts do that the answer is made
// of, as of the moment in which the request came in. Handlers, and code below them
// that knows nothing of Gin, read it by [provenance.From] and add what they
// answered with by [provenance.Note]; the worst level and the greatest age win.
// Of two Provenance on the way of a request, for the engine and for a route, both
// count, in one scope.
//
// With Headers the client is told, by what is known when the header of the response
// is sent: what is noted later, while a stream goes on say, it does not see. A panic
// that Recovery answers, before or after in the order of middlewares, has the
// headers too; a hijacked connection has not.
//
// It reads memory only. A request costs one allocation, because its context may
// outlive it; see docs/benchmarks.md. The handler is safe for concurrent use. A nil
// svc has no parts of its own: then Of alone counts.
func Provenance(svc *holdfast.Service, opts ProvenanceOptions) gin.HandlerFunc {
	p := newProvenances(svc, opts.Of, opts.Refresh)
	p.headers = opts.Headers
	return p.handle
}

// provenances is the middleware of Provenance.
type provenances struct {
	of      []Part
	headers bool
	refresh time.Duration
	epoch   time.Time

	last   atomic.Pointer[sampling]
	asking sync.Mutex
}

func newProvenances(svc *holdfast.Service, of []Part, refresh time.Duration) *provenances {
	of = slices.Clone(of)
	if len(of) == 0 && svc != nil {
		of = []Part{wholePart(svc)}
	}
	if refresh == 0 {
		refresh = 100 * time.Millisecond
	}
	return &provenances{of: of, refresh: refresh, epoch: time.Now()}
}

// sampling is what the parts said last.
type sampling struct {
	provenance.Provenance
	at time.Duration // since the epoch
}

// told is a request with a scope, in one piece of memory. It does not serve
// another request: a goroutine that outlives this one may go on using its ctx.
type told struct {
	scope   provenance.Scope
	request http.Request
	writer  labeller
}

// handle tells one request.
func (p *provenances) handle(c *gin.Context) {
	now := p.sample()
	given := c.Request
	ctx := given.Context()
	if _, ok := provenance.From(ctx); ok {
		provenance.Note(ctx, now.Level, now.Age)
		if p.headers {
			w := &labeller{ctx: ctx}
			w.begin(c)
			defer w.end(c)
			c.Next()
		}
		return
	}
	t := &told{scope: provenance.Scope{Context: ctx}}
	t.scope.Note(now.Level, now.Age)
	t.request = *given.WithContext(&t.scope)
	c.Request = &t.request
	defer func() { keepForm(c.Request, given) }()
	if p.headers {
		t.writer.ctx = &t.scope
		t.writer.begin(c)
		defer t.writer.end(c)
	}
	c.Next()
}

// sample returns what the parts said a moment ago.
func (p *provenances) sample() provenance.Provenance {
	switch {
	case len(p.of) == 0:
		return provenance.Provenance{}
	case p.refresh < 0:
		return p.ask()
	}
	now := time.Since(p.epoch)
	if last := p.last.Load(); last != nil && now-last.at < p.refresh {
		return last.Provenance
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if last := p.last.Load(); last != nil && now-last.at < p.refresh {
		return last.Provenance // somebody else has asked meanwhile
	}
	s := &sampling{Provenance: p.ask(), at: time.Since(p.epoch)}
	p.last.Store(s)
	return s.Provenance
}

// ask asks the parts.
func (p *provenances) ask() provenance.Provenance {
	var all provenance.Scope
	for _, part := range p.of {
		all.Note(part())
	}
	return all.Provenance()
}
