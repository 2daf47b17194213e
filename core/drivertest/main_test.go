package drivertest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/core/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errWrapped = errors.New("broken driver")

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errWrapped, err)
}

// caught checks that a case failed because of its rule.
func caught(t *testing.T, o drivertest.Outcome) {
	t.Helper()
	switch {
	case o.Skipped:
		t.Errorf("the case was skipped: %s", o.Log)
	case !o.Failed:
		t.Errorf("the case did not catch the broken driver")
	case !strings.Contains(o.Log, "broken rule: "):
		t.Errorf("the failure names no rule:\n%s", o.Log)
	}
}

// passed checks that a case finds nothing wrong.
func passed(t *testing.T, o drivertest.Outcome) {
	t.Helper()
	if o.Failed || o.Skipped {
		t.Errorf("the case failed or was skipped for a driver that is right: %s", o.Log)
	}
}

// everyCaseIsProven checks that a table has a broken driver for each case.
func everyCaseIsProven(t *testing.T, proven map[string]bool, cases ...string) {
	t.Helper()
	for _, c := range cases {
		if !proven[c] {
			t.Errorf("no broken driver proves that the case %s can fail", c)
		}
	}
}
