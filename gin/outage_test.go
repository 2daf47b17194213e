package holdfastgin

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/health"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// A real etcd is killed, and all health endpoints are watched once a second until
// it is back.
func TestMount_StaysUpThroughAnOutageOfARealServer(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	if _, err := server.Client(t).Put(t.Context(), "/config/orders/limits/max_items", "7"); err != nil {
		t.Fatal(err)
	}
	client, err := etcd.Dial(etcd.DialOptions{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	svc, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "orders", TTL: 5 * time.Second, RecoverySpread: -1, Logger: slog.New(slog.DiscardHandler),
		Registry: client.Registry(etcd.RegistryOptions{}), Config: client.ConfigSource("/config/orders/", etcd.ConfigOptions{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	svc.Endpoints("orders")
	s := newChecks(t)
	if err := s.Register(health.Func("loop", func(context.Context) error { return nil }), health.CheckOptions{
		Groups: []string{health.Live, health.Ready, health.Startup},
	}); err != nil {
		t.Fatal(err)
	}
	r := runService(t, svc, engineWith(t, MountOptions{Checks: s}, svc), RunOptions{Stop: fast()})
	eventually(t, "all is well", func() bool {
		st := svc.Status()
		return st.Level == core.Live && !st.Degraded && len(st.Announcements) == 1 && st.Endpoints[0].Up == 1
	})
	// The first request may find what was kept a moment ago.
	eventually(t, "health says so", func() bool { _, body := r.get("/health"); return !readReport(t, body).Degraded })

	lasts := 12
	if testing.Short() {
		lasts = 3
	}
	server.Kill()
	eventually(t, "health says that it is degraded", func() bool { _, body := r.get("/health"); return readReport(t, body).Degraded })
	second := time.NewTicker(time.Second)
	defer second.Stop()
	asked := 0
	for range lasts {
		<-second.C
		for _, path := range []string{"/health", "/health/ready", "/health/live", "/health/startup", "/livez", "/readyz", "/health/config"} {
			code, body := r.get(path)
			asked++
			rep := readReport(t, body)
			if code != http.StatusOK || rep.Status != up {
				t.Errorf("%s says %d %s", path, code, body)
			}
			if (path == "/health" || path == "/health/ready" || path == "/health/config") && !rep.Degraded {
				t.Errorf("%s does not say that it is degraded: %s", path, body)
			}
		}
	}
	t.Logf("%d requests in %d s without etcd", asked, lasts)
	server.Restart()
	eventually(t, "health says that all is well again", func() bool { _, body := r.get("/health"); return !readReport(t, body).Degraded })
}
