package holdfastgin

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/health"
)

func TestEngineCheck_DemandsOfOnePart(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	inventory := svc.Endpoints("inventory")
	degrade(t, b, svc)
	eventually(t, "the outage shows everywhere", func() bool {
		return svc.Config().Status().Level == core.Memory && inventory.Status().Level == core.Memory
	})
	for i, row := range []struct {
		c    health.Checker
		name string
		down bool
	}{
		{ConfigCheck(svc, Require{}), "require:config", false},
		{ConfigCheck(svc, Require{Level: core.Memory}), "require:config", false},
		{ConfigCheck(svc, Require{Level: core.Live}), "require:config", true},
		{ConfigCheck(svc, Require{MaxStale: time.Nanosecond}), "require:config", true},
		{EndpointsCheck(svc, "inventory", Require{}), "require:endpoints:inventory", false},
		{EndpointsCheck(svc, "inventory", Require{Up: 1}), "require:endpoints:inventory", true},
		{EndpointsCheck(svc, "inventory", Require{Level: core.Live}), "require:endpoints:inventory", true},
	} {
		r := row.c.Check(t.Context())
		if row.c.Name() != row.name || !r.Degraded || (r.Err != nil) != row.down || len(r.Reasons) > 0 != row.down || r.Details["level"] != "memory" {
			t.Errorf("%d: %s found %+v", i, row.c.Name(), r)
		}
	}
}
