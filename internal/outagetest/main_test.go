package outagetest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// outagesAtOnce is how many tests run at the same time. They wait for timers
// nearly always, so it has nothing to do with the number of processors.
const outagesAtOnce = "12"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		os.Exit(runChild(spec))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", outagesAtOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}

// long skips a test that waits for an outage of a known length, where the person
// asked for short tests.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test waits for an outage that lasts half a minute or more")
	}
}
