package outagetest

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// aloneEnv tells the test binary that it runs one test only.
const aloneEnv = "HOLDFAST_OUTAGE_ALONE"

// In a process of its own, because goroutines of other tests can't be told from
// leaked ones.
func TestThirtyOutages_LeaveNoGoroutine_Row66(t *testing.T) {
	t.Parallel()
	if os.Getenv(aloneEnv) != "" {
		thirtyOutages(t)
		return
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	alone := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run", "^"+t.Name()+"$")
	alone.Env = append(os.Environ(), aloneEnv+"=1")
	output, err := alone.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatalf("the process of its own: %v", err)
	}
}

func thirtyOutages(t *testing.T) {
	const outages = 30
	old := goleak.IgnoreCurrent()
	t.Run("outages", func(t *testing.T) {
		server := etcdtest.Start(t, etcdtest.Options{})
		proxy := faultproxy.New(t, server.Addr())
		c := startSpread(t, -1, server, "http://"+proxy.Addr())
		ways := []func(){proxy.Refuse, proxy.Reset, func() { proxy.ResetAfter(20) }}
		well := func() bool { return c.orders.well() && c.inventory.well() }
		settled := 0
		began := time.Now()
		for i := range outages {
			ways[i%len(ways)]()
			eventually(t, "the outage is noticed", func() bool { return away(c.orders)() && away(c.inventory)() })
			proxy.Pass()
			eventually(t, "all is well", well)
			if i == 2 {
				settled = runtime.NumGoroutine()
			}
		}
		t.Logf("measured: %d outages in a row: all is well again %.2fs on average", outages, time.Since(began).Seconds()/outages)
		const slack = 5 // a dial or a request under way
		eventually(t, "as few goroutines as after three outages", func() bool { return runtime.NumGoroutine() <= settled+slack })
		t.Logf("%d goroutines after 3 outages, %d after %d", settled, runtime.NumGoroutine(), outages)
		for _, n := range c.nodes() {
			n.mustBeWell(t)
		}
	})
	goleak.VerifyNone(t, old)
}
