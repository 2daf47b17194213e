package drivertest

import (
	"testing"
	"time"
)

// common are the checks that both kinds of driver share.
func common[V any]() []check[*run[V]] {
	var all []check[*run[V]]
	all = append(all, identityChecks[V]()...)
	all = append(all, continuationChecks[V]()...)
	all = append(all, lostPastChecks[V]()...)
	all = append(all, endingChecks[V]()...)
	all = append(all, outageChecks[V]()...)
	return append(all, idleChecks[V]()...)
}

// perform runs one check on what begin makes for it.
func perform[R any](t testing.TB, c check[R], begin func(t testing.TB, rule string) R) {
	t.Helper()
	r := begin(t, c.rule)
	if c.missing != nil {
		if reason := c.missing(r); reason != "" {
			t.Skip(reason)
		}
	}
	c.run(r)
}

func orDefault[N int | time.Duration](n, def N) N {
	if n <= 0 {
		return def
	}
	return n
}
