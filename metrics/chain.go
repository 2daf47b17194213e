package metrics

import (
	"strconv"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// chain shows what a chain did, and only what its layers can do.
func (c *Collector) chain(s *scrape, name string, st policy.State) {
	of := labels("chain", name)
	s.send(c.calls, float64(st.Calls), of)
	s.send(c.inFlight, float64(st.InFlight), of)
	seen := make(map[string]int)
	for _, l := range st.Layers {
		layer := l.Kind
		if seen[l.Kind]++; seen[l.Kind] > 1 { // a timeout of the call, say, and one of each try
			layer += "_" + strconv.Itoa(seen[l.Kind])
		}
		of := labels("chain", name, "layer", layer)
		switch l.Kind {
		case "retry":
			s.send(c.retries, float64(l.Retries), of)
			s.send(c.rejected, float64(l.Rejected), of)
		case "hedge":
			s.send(c.hedges, float64(l.Hedges), of)
			s.send(c.abandoned, float64(l.Abandoned), of)
		case "timeout":
			s.send(c.timeouts, float64(l.Timeouts), of)
			s.send(c.abandoned, float64(l.Abandoned), of)
			s.send(c.rejected, float64(l.Rejected), of)
		case "breaker":
			for _, b := range []policy.BreakerState{policy.Closed, policy.Open, policy.HalfOpen} {
				s.flag(c.breakerState, l.Breaker == b, labels("chain", name, "layer", layer, "state", b.String()))
			}
			s.send(c.breakerFailures, l.FailureRate, of)
			s.send(c.rejected, float64(l.Rejected), of)
		case "bulkhead", "ratelimit":
			s.send(c.rejected, float64(l.Rejected), of)
		}
	}
}

// fallback shows who answered.
func (c *Collector) fallback(s *scrape, name string, st policy.FallbackStats) {
	of := labels("fallback", name)
	s.send(c.unanswered, float64(st.Unanswered), of)
	cached := false
	for _, l := range st.Levels { // each level is there once
		of := labels("fallback", name, "level", l.Level.String())
		s.send(c.answers, float64(l.Answers), of)
		s.send(c.failures, float64(l.Errors), of)
		cached = cached || l.Level == core.Cached
	}
	if cached {
		s.send(c.remembered, float64(st.Cache.Entries), of)
		s.send(c.rememberedBytes, float64(st.Cache.Bytes), of)
		s.send(c.rememberErrors, float64(st.Cache.WriteErrors), of)
	}
}
