package drivertest

import (
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// identityChecks are about Origin and the order of revisions.
func identityChecks[V any]() []check[*run[V]] {
	return []check[*run[V]]{
		{name: "OriginIsStable", rule: ruleOrigin, run: originStable[V]},
		{name: "CompareOrdersRevisions", rule: ruleCompare, run: comparesRevisions[V]},
	}
}

func originStable[V any](r *run[V]) {
	a, b := r.open(), r.open()
	want := a.origin()
	if want == "" {
		r.Errorf("Origin is empty")
	}
	if got := b.origin(); got != want {
		r.Errorf("Origin is %q for one client and %q for another of the same data", want, got)
	}
	r.put(map[string]int{"a": 1})
	r.list(a)
	if got := a.origin(); got != want {
		r.Errorf("Origin was %q first and %q later", want, got)
	}
	for _, s := range r.secrets {
		if s != "" && strings.Contains(want, s) {
			r.Errorf("Origin holds a secret")
		}
	}
}

func comparesRevisions[V any](r *run[V]) {
	c := r.open()
	cmp, ok := core.As[core.Comparer](c.driver)
	if !ok {
		r.Skip("the driver is no core.Comparer, which is optional")
	}
	a := r.list(c).Revision
	r.put(map[string]int{"a": 1})
	b := r.list(c).Revision
	if r.faults.Cut != nil {
		r.faults.Cut(r.base)
	}
	for _, row := range []struct {
		a, b core.Revision
		sign int
		ok   bool
	}{
		{a, b, -1, true},
		{b, a, 1, true},
		{a, a, 0, true},
		{"", b, 0, false},
		{a, "", 0, false},
		{a, "no revision of this backend", 0, false},
	} {
		n, ok := cmp.Compare(row.a, row.b)
		if ok != row.ok || (ok && (n < 0) != (row.sign < 0) || ok && (n > 0) != (row.sign > 0)) {
			r.Errorf("Compare(%q, %q) = %d, %v; want a sign of %d, %v", row.a, row.b, n, ok, row.sign, row.ok)
		}
	}
}
