package holdfastgin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/health"
)

// summary is what one endpoint follows from.
type summary struct {
	group    string           // of health.State.Fails
	life     *Lifecycle       // nil if it does not count
	phase    string           // why the life makes it fail; "" if it does not
	engines  *holdfast.Status // nil if they have no details here
	below    []string         // why they make it fail
	degraded bool             // the engines are
	checks   health.Report    // zero if they were not asked
}

func (s *summary) status() condition {
	if s.phase != "" || len(s.below) > 0 || s.checks.Status == health.Down {
		return down
	}
	return up
}

// reasons says why it fails, to who may know.
func (s *summary) reasons(as sight) []string {
	var reasons []string
	if s.phase != "" {
		reasons = append(reasons, s.phase)
	}
	if as == sightless {
		return reasons
	}
	return append(append(reasons, s.below...), failing(s.checks, s.group)...)
}

// brief answers those who only want the status. Whether they may know more is asked
// only if there is more.
func (p *probes) brief(c *gin.Context, s *summary) {
	if s.status() == up {
		send(c, http.StatusOK, []byte(`{"status":"UP"}`))
		return
	}
	write(c, http.StatusServiceUnavailable, report{Status: down, Reasons: s.reasons(p.sight(c))})
}

// detailed answers with details, for who may see them, and returns what it wrote.
func (p *probes) detailed(c *gin.Context, as sight, s *summary) (code int, text []byte) {
	status := s.status()
	r := report{Status: status, Degraded: s.checks.Degraded || s.degraded, Reasons: s.reasons(as)}
	if as != sightless {
		r.Details = p.details(s, as)
	}
	return write(c, status.code(), r)
}

// failing says which checks make a group fail.
func failing(checks health.Report, group string) []string {
	if checks.Status != health.Down {
		return nil
	}
	var reasons []string
	for _, st := range checks.Checks {
		if !st.Fails(group) {
			continue
		}
		reason := st.Name + " is " + st.Status.String()
		if len(st.Reasons) > 0 {
			reason += ": " + strings.Join(st.Reasons, ", ")
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

// details are those of the engines, of the life and of the checks.
func (p *probes) details(s *summary, as sight) map[string]detail {
	all := make(map[string]detail)
	if s.engines != nil {
		p.opts.describe(all, *s.engines, as == seesTexts)
	}
	if s.life != nil {
		all[lifecycleName] = lifecycleDetail(s.life.Status())
	}
	for _, st := range s.checks.Checks {
		all[prefixed(all, st.Name)] = checkDetail(st, as == seesTexts)
	}
	return all
}

// Names of details.
const (
	lifecycleName = "lifecycle"
	// checkPrefix keeps a check apart from what the engines have under its name.
	checkPrefix = "check:"
)

func prefixed(taken map[string]detail, name string) string {
	if _, ok := taken[name]; ok {
		return checkPrefix + name
	}
	return name
}

// unprefixed is the name of the check that is shown under a name.
func unprefixed(taken map[string]detail, shown string) string {
	if name, ok := strings.CutPrefix(shown, checkPrefix); ok {
		if _, ok := taken[name]; ok {
			return name
		}
	}
	return shown
}

// code is the status code that says it.
func (c condition) code() int {
	if c != up {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// write answers with a body, and returns what it wrote. What checks bring was
// written as JSON when they ran, so that it can't fail here.
func write(c *gin.Context, code int, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"status":"UNKNOWN"}`)
	}
	send(c, code, text)
	return code, text
}

func send(c *gin.Context, code int, text []byte) {
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Type", "application/json; charset=utf-8")
	c.Status(code)
	_, _ = c.Writer.Write(text)
}
