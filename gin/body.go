package holdfastgin

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast/health"
)

// sight is what a request may read.
type sight uint8

const (
	sightless   sight = iota // the status alone
	seesDetails              // details, and of errors their kind
	seesTexts                // everything
	sights
)

// sight says what a request may read.
func (p *probes) sight(c *gin.Context) sight {
	switch {
	case p.opts.Details == DetailsNever:
		return sightless
	case p.opts.Authorize != nil && p.opts.Authorize(c):
		return seesTexts
	case p.opts.Details == DetailsAlways:
		return seesDetails
	}
	return sightless
}

// body is what an endpoint said last, and what it followed from.
type body struct {
	at     time.Time
	life   *Lifecycle
	phase  string
	checks []*health.State
	code   int
	text   []byte
}

// bodies are those of one endpoint, by who may read them. A storm of probes then
// costs the engines nothing: their whole status, with its timeline, is much more
// than a probe should take.
type bodies [sights]atomic.Pointer[body]

// again writes what was said last, if it is still true: no older than MountOptions
// allow for what the engines say, and as ever for the life and the checks.
func (b *bodies) again(c *gin.Context, as sight, s *summary, refresh time.Duration) bool {
	last := b[as].Load()
	if last == nil || last.life != s.life || last.phase != s.phase ||
		!slices.Equal(last.checks, s.checks.Checks) || time.Since(last.at) >= refresh {
		return false
	}
	send(c, last.code, last.text)
	return true
}

func (b *bodies) keep(as sight, s *summary, code int, text []byte) {
	b[as].Store(&body{at: time.Now(), life: s.life, phase: s.phase, checks: s.checks.Checks, code: code, text: text})
}
