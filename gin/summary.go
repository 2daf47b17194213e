package holdfastgin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/health"
)

// lifecycleName is the detail of the life.
const lifecycleName = "lifecycle"

// summary is what one endpoint follows from.
type summary struct {
	group    string           // of health.State.Fails
	detailed bool             // it has details, for those who may see them
	life     *Lifecycle       // nil if it does not count
	phase    string           // why the life makes it fail; "" if it does not
	engines  *holdfast.Status // nil if they do not count
	below    []string         // why they make it fail
	degraded bool             // the engines are, without counting
	checks   health.Report    // zero if they were not asked
}

func (s *summary) condition() condition {
	if s.phase != "" || len(s.below) > 0 || s.checks.Status == health.Down {
		return down
	}
	return up
}

// answer writes what follows. Authorize is asked only where it matters.
func (p *probes) answer(c *gin.Context, s *summary) {
	status := s.condition()
	if status == up && !s.detailed {
		plain(c)
		return
	}
	r := report{Status: status}
	if s.detailed {
		r.Degraded = s.checks.Degraded || s.degraded || s.engines != nil && s.engines.Degraded
	}
	if s.phase != "" {
		r.Reasons = append(r.Reasons, s.phase)
	}
	details, texts := p.mayRead(c)
	if details {
		r.Reasons = append(r.Reasons, s.below...)
		r.Reasons = append(r.Reasons, failing(s.checks, s.group)...)
	}
	if details && s.detailed {
		r.Details = p.details(s, texts)
	}
	write(c, status.code(), r)
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

// details are those of the engines, of the checks and of the life.
func (p *probes) details(s *summary, texts bool) map[string]detail {
	all := make(map[string]detail)
	if s.engines != nil {
		p.opts.describe(all, *s.engines, texts)
	}
	if s.life != nil {
		all[lifecycleName] = lifecycleDetail(s.life.Status())
	}
	for _, st := range s.checks.Checks {
		all[prefixed(all, st.Name)] = checkDetail(st, texts)
	}
	return all
}

// checkPrefix keeps a check apart from what the engines have under its name.
const checkPrefix = "check:"

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

var (
	plainBody    = []byte(`{"status":"UP"}`)
	jsonType     = []string{"application/json; charset=utf-8"}
	noStoreValue = []string{"no-store"}
)

// code is the status code that says it.
func (c condition) code() int {
	if c != up {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// plain is the answer that orchestrators get all day long.
func plain(c *gin.Context) {
	h := c.Writer.Header()
	h["Cache-Control"], h["Content-Type"] = noStoreValue, jsonType
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(plainBody)
}

// write answers with a body. What checks bring was made harmless when they ran, so
// that it can't fail.
func write(c *gin.Context, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"status":"UNKNOWN"}`)
	}
	c.Header("Cache-Control", "no-store")
	c.Data(code, "application/json; charset=utf-8", text)
}
