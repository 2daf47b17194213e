package holdfastgin

import (
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// TestReport_ShowsAnnouncementsOfEachService: one process may be announced under two
// names at one address, which is its ID in both.
func TestReport_ShowsAnnouncementsOfEachService(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	for _, service := range []string{"", "billing"} {
		if _, err := svc.Announce(core.Instance{Service: service, Endpoints: []string{"http://127.0.0.1:8080"}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are registered", func() bool {
		return len(instances(t, b, "orders")) == 1 && len(instances(t, b, "billing")) == 1
	})
	w := serve(t, engineWith(t, MountOptions{Refresh: -1}, svc), "GET", "/health")
	details := readReport(t, w.Body.String()).Details
	for _, name := range []string{"announcement:127.0.0.1:8080", "announcement:billing:127.0.0.1:8080"} {
		if d, ok := details[name]; !ok || d.Status != up {
			t.Errorf("%s is missing: %s", name, w.Body)
		}
	}
}

// TestReport_ClosedAnnouncementsHideNoOthers: what was announced anew stands for its
// ID, whatever was closed before or after.
func TestReport_ClosedAnnouncementsHideNoOthers(t *testing.T) {
	all := make(map[string]detail)
	in := core.Instance{ID: "a", Service: "orders"}
	MountOptions{}.describe(all, holdfast.Status{Name: "orders", Announcements: []holdfast.AnnouncementStatus{
		{Instance: in, State: holdfast.StatePending}, {Instance: in, State: holdfast.StateClosed},
	}}, false)
	if d := all["announcement:a"]; d.State != holdfast.StatePending.String() || !d.Degraded {
		t.Errorf("%+v", d)
	}
}

// TestReport_AnOptionalValueDegradesNothing: no key says anything of it, and the
// source is in sync.
func TestReport_AnOptionalValueDegradesNothing(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	if _, err := holdfast.Bind(svc.Config(), "no/such/key", 5); err != nil {
		t.Fatal(err)
	}
	if err := svc.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	engine := engineWith(t, MountOptions{Refresh: -1}, svc)
	r := readReport(t, serve(t, engine, "GET", "/health").Body.String())
	if d := r.Details["config:no/such/key"]; r.Degraded || d.Degraded || d.Level != "default" {
		t.Errorf("degraded: %v, and its detail %+v", r.Degraded, d)
	}
	// Without the source nobody knows whether there is such a key by now.
	b.Cut()
	eventually(t, "the value's detail is degraded", func() bool {
		r := readReport(t, serve(t, engine, "GET", "/health").Body.String())
		return r.Degraded && r.Details["config:no/such/key"].Degraded
	})
}
