package guarded_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd/internal/conformance"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chain is one that somebody would put around the driver. Its breaker does not
// open within a case of the kits: an open one rightly refuses what they ask of a
// backend that has just healed.
func chain() *policy.Chain {
	return policy.Must(
		policy.Retry{MaxAttempts: 2, Delay: 10 * time.Millisecond},
		policy.Breaker{MinCalls: 1000},
		policy.Timeout{After: 10 * time.Second},
	)
}

func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 140 s; v37 runs the same kits without a guard")
	}
	conformance.Run(t, etcdtest.V37, conformance.Guard{
		Registry: func(r core.Registry) core.Registry { return policy.Registry(r, chain()) },
		Config:   func(s core.ConfigSource) core.ConfigSource { return policy.ConfigSource(s, chain()) },
	})
}
