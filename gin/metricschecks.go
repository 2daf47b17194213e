package holdfastgin

import (
	"time"

	"github.com/holdfast-go/holdfast/health"
	"github.com/holdfast-go/holdfast/metrics"
)

// CheckMetrics shows the checks of a set in metrics.Options.Checks. A scrape runs
// none: it sees the last runs. A nil set has no checks.
func CheckMetrics(set *health.Set) metrics.Checks { return checkMetrics{set} }

type checkMetrics struct{ set *health.Set }

// EachCheck implements metrics.Checks.
func (m checkMetrics) EachCheck(f func(name string, up bool, took time.Duration, at time.Time)) {
	if m.set == nil {
		return
	}
	for _, s := range m.set.States() {
		f(s.Name, s.Status == health.Up, s.Took, s.At)
	}
}
