package drivertest

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// TestConfigSource checks a [core.ConfigSource] against the contract of package
// core, one subtest per rule. A failure names the rule that was broken.
func TestConfigSource(t *testing.T, h ConfigHarness) {
	t.Helper()
	for _, c := range configChecks() {
		t.Run(c.name, func(t *testing.T) { performConfig(t, c, h) })
	}
}

func configChecks() []check[*configRun] {
	all := []check[*configRun]{
		{name: "LoadReturnsTheSet", rule: ruleList, run: loadsSet},
		{name: "LoadIsAtOneRevision", rule: ruleList, run: loadsOneRevision, missing: lacks(func(r *configRun) bool { return r.txn == nil }, "the backend has no transactions over several entries")},
		{name: "PrefixNeighbours", rule: ruleNeighbour, run: configNeighbours, missing: lacks(func(r *configRun) bool { return r.area.PutBeside == nil }, "the harness has no PutBeside")},
		{name: "MalformedNeighbour", rule: ruleMalformed, run: configMalformed, missing: lacks(func(r *configRun) bool { return r.area.PutMalformed == nil }, "any bytes are a value for this backend (the harness has no PutMalformed)")},
		{name: "AnyTextIsAKey", rule: ruleAnyText, run: configKeys},
		{name: "AnyBytesAreAValue", rule: ruleAnyText, run: configValues},
	}
	for _, c := range common[[]byte]() {
		shared := check[*configRun]{name: c.name, rule: c.rule, run: func(r *configRun) { c.run(r.run) }}
		if c.missing != nil {
			shared.missing = func(r *configRun) string { return c.missing(r.run) }
		}
		all = append(all, shared)
	}
	return all
}

// configRun is one case's view of a source of configuration.
type configRun struct {
	*run[[]byte]
	h    ConfigHarness
	area ConfigArea
}

func performConfig(t testing.TB, c check[*configRun], h ConfigHarness) {
	t.Helper()
	if h.Open == nil || h.Heartbeat <= 0 {
		t.Fatal("drivertest: ConfigHarness needs Open and Heartbeat")
	}
	perform(t, c, func(t testing.TB, rule string) *configRun { return beginConfig(t, rule, h) })
}

func beginConfig(t testing.TB, rule string, h ConfigHarness) *configRun {
	t.Helper()
	area := h.Open(t)
	if area.Client == nil || area.Put == nil || area.Delete == nil {
		t.Fatal("drivertest: ConfigArea needs Client, Put and Delete")
	}
	r := &run[[]byte]{
		TB: ruled{t, rule}, base: t,
		heartbeat: h.Heartbeat, patience: orDefault(h.Patience, 10*time.Second), many: orDefault(h.Many, 2000),
		blind: h.BlindToHistory, secrets: h.Secrets, foreign: h.Foreign, faults: area.Faults,
		putWhileCut: true,
		same:        func(_ string, v []byte, n int) bool { return bytes.Equal(v, variant(n)) },
		remove:      func(keys ...string) { area.Delete(t, keys...) },
	}
	r.open = func() client[[]byte] {
		src, stop := area.Client(t)
		t.Cleanup(stop)
		return client[[]byte]{driver: src, origin: src.Origin, list: src.Load, watch: src.Watch, stop: stop}
	}
	r.put = func(entries map[string]int) { area.Put(t, variants(entries)) }
	if area.Txn != nil {
		r.txn = func(put map[string]int, remove ...string) { area.Txn(t, variants(put), remove...) }
	}
	return &configRun{run: r, h: h, area: area}
}

func variant(n int) []byte { return fmt.Appendf(nil, "value %d", n) }

func variants(entries map[string]int) map[string][]byte {
	out := make(map[string][]byte, len(entries))
	for k, n := range entries {
		out[k] = variant(n)
	}
	return out
}
