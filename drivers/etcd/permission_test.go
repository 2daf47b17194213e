package etcd_test

import (
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// The watches of a client share a stream and its heartbeat, not their permissions.
func TestWatch_APermissionTakenAwayEndsNoOtherWatch(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	root := secured(t, server)
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints(), Username: "app", Password: secret, Heartbeat: 500 * time.Millisecond})
	kept := observe(t, client.ConfigSource("/services/", etcd.ConfigOptions{}))
	lost := observe(t, client.ConfigSource("/config/", etcd.ConfigOptions{}))
	for _, o := range []*observer{kept, lost} {
		eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	}
	if _, err := root.RoleRevokePermission(ctxOf(t), "app", "/config/", clientv3.GetPrefixRangeEnd("/config/")); err != nil {
		t.Fatal(err)
	}
	if err := lost.ended(t, 10*time.Second); !errors.Is(err, core.ErrDenied) {
		t.Errorf("without permission: got %v", err)
	}
	before := kept.heartbeats()
	eventually(t, 10*time.Second, "heartbeats of the other watch", func() bool { return kept.heartbeats() >= before+3 })
	put(t, root, "/services/a", "1")
	eventually(t, 5*time.Second, "a change on the other watch", func() bool { return kept.has("a", "1") })
}
