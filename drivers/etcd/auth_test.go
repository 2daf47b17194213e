package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

const secret = "hunter2-the-password"

// secured enables authentication with a user who may use /config/ and /services/.
func secured(t *testing.T, server *etcdtest.Server) *clientv3.Client {
	t.Helper()
	ctx, admin := ctxOf(t), server.Client(t)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(admin.UserAdd(ctx, "root", "root"))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.RoleAdd(ctx, "app"))
	for _, prefix := range []string{"/config/", "/services/"} {
		must(admin.RoleGrantPermission(ctx, "app", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite)))
	}
	must(admin.UserAdd(ctx, "app", secret))
	must(admin.UserGrantRole(ctx, "app", "app"))
	must(admin.AuthEnable(ctx))
	root, err := clientv3.New(clientv3.Config{
		Endpoints: server.Endpoints(), Username: "root", Password: "root", DialTimeout: 10 * time.Second, Logger: zap.NewNop(),
	})
	must(root, err)
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// logbook is a log to look for secrets in.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAuth_HealsAfterADeadStartAndExpiredTokens(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{AuthTokenTTL: 2 * time.Second})
	root := secured(t, server)
	server.Kill()
	var log logbook
	options := etcd.DialOptions{
		Endpoints: server.Endpoints(), Username: "app", Password: secret, Heartbeat: time.Second,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	var client *etcd.Client
	within(t, 100*time.Millisecond, "Dial with a password and a dead cluster", func() { client = dial(t, options) })
	source, registry := client.ConfigSource("/config/", etcd.ConfigOptions{}), client.Registry(etcd.RegistryOptions{})
	if _, err := source.Load(ctxOf(t)); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("dead: got %v", err)
	}
	server.Restart()
	within(t, 3*time.Second, "healed after etcd served", func() { loadSoon(t, source, 10*time.Second) })
	reg := registration("a", "o", 5*time.Second)
	register(t, registry, reg)
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	before := server.Metrics().RPCs()["Auth/Authenticate"]
	for range 5 {
		register(t, registry, reg)
	}
	if n := server.Metrics().RPCs()["Auth/Authenticate"] - before; n > 1 {
		t.Errorf("5 beats logged in %d times", n)
	}
	// Longer than a token lasts unused: the heartbeat keeps one alive, so that the
	// expiry is forced by a restart, which forgets all simple tokens.
	server.Restart()
	loadSoon(t, source, 10*time.Second)
	register(t, registry, reg)
	o = observe(t, source)
	put(t, root, "/config/a", "1")
	eventually(t, 5*time.Second, "the change", func() bool { return o.has("a", "1") })
	if strings.Contains(log.text(), secret) {
		t.Error("the log shows the password")
	}
}

func TestAuth_AnExpiredTokenIsReplacedUnseen(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{AuthTokenTTL: time.Second})
	root := secured(t, server)
	// Without heartbeats nothing keeps the token alive.
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints(), Username: "app", Password: secret, Heartbeat: time.Minute, HeartbeatTimeout: time.Minute})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	first := observe(t, source)
	for i := range 2 {
		expire := time.NewTimer(3 * time.Second)
		<-expire.C
		expire.Stop()
		if i == 0 {
			mustLoad(t, source) // a call
			continue
		}
		// A watch that joins the stream, which has the token it was opened with.
		second := observeFrom(t, source, mustLoad(t, source))
		put(t, root, "/config/a", "1")
		eventually(t, 5*time.Second, "the change in both", func() bool { return first.has("a", "1") && second.has("a", "1") })
	}
}

func TestAuth_RefusalsAreDenied(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	root := secured(t, server)
	for name, o := range map[string]etcd.DialOptions{
		"no login":       {Endpoints: server.Endpoints()},
		"wrong password": {Endpoints: server.Endpoints(), Username: "app", Password: secret + "x"},
		"wrong token":    {Endpoints: server.Endpoints(), Token: secret},
	} {
		source := dial(t, o).ConfigSource("/config/", etcd.ConfigOptions{})
		_, err := source.Load(ctxOf(t))
		if !errors.Is(err, core.ErrDenied) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: load: got %v", name, err)
		}
		for _, err := range source.Watch(ctxOf(t), "1") {
			if !errors.Is(err, core.ErrDenied) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: watch: got %v", name, err)
			}
		}
	}
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints(), Username: "app", Password: secret})
	outside := client.ConfigSource("/secret/", etcd.ConfigOptions{})
	if _, err := outside.Load(ctxOf(t)); !errors.Is(err, core.ErrDenied) {
		t.Errorf("another prefix: load: got %v", err)
	}
	for _, err := range outside.Watch(ctxOf(t), "1") {
		if !errors.Is(err, core.ErrDenied) {
			t.Errorf("another prefix: watch: got %v", err)
		}
	}

	// The password is revoked and the cluster restarts: every try is refused.
	source, registry := client.ConfigSource("/config/", etcd.ConfigOptions{}), client.Registry(etcd.RegistryOptions{})
	register(t, registry, registration("a", "o", 5*time.Second))
	o := observe(t, source)
	if _, err := root.UserChangePassword(ctxOf(t), "app", "another"); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	_ = o.ended(t, 10*time.Second)
	eventually(t, 10*time.Second, "a refusal", func() bool {
		_, err := source.Load(ctxOf(t))
		return errors.Is(err, core.ErrDenied)
	})
	if err := registry.Register(ctxOf(t), registration("a", "o", 5*time.Second)); !errors.Is(err, core.ErrDenied) {
		t.Errorf("register: got %v", err)
	}
	before := server.Metrics().RPCs()["Auth/Authenticate"]
	if _, err := source.Load(ctxOf(t)); !errors.Is(err, core.ErrDenied) {
		t.Errorf("got %v", err)
	}
	if n := server.Metrics().RPCs()["Auth/Authenticate"] - before; n > 1 {
		t.Errorf("one refused load logged in %d times", n)
	}
}

func TestNoSpace_DeniesWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{QuotaBytes: 4 << 20})
	admin := server.Client(t)
	client := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()})
	source, registry := client.ConfigSource("/config/", etcd.ConfigOptions{}), client.Registry(etcd.RegistryOptions{})
	reg := registration("a", "o", time.Minute) // a slow disk takes seconds to fill
	register(t, registry, reg)
	fill := strings.Repeat("x", 512<<10)
	eventually(t, 30*time.Second, "the alarm", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := admin.Put(ctx, fmt.Sprintf("/fill/%d", time.Now().UnixNano()), fill)
		return err != nil
	})
	register(t, registry, reg) // a beat writes nothing
	if err := registry.Register(ctxOf(t), registration("b", "o", 5*time.Second)); !errors.Is(err, core.ErrDenied) {
		t.Errorf("a write: got %v", err)
	}
	mustLoad(t, source)
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
}

func TestRegister_OfTooMuchIsInvalid(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	registry := dial(t, etcd.DialOptions{Endpoints: server.Endpoints()}).Registry(etcd.RegistryOptions{})
	for _, size := range []int{1600 << 10, 3 << 20, 20 << 20} {
		reg := registration("a", "o", 5*time.Second)
		reg.Instance.Metadata = map[string]string{"k": strings.Repeat("s", size)}
		err := registry.Register(ctxOf(t), reg)
		if !errors.Is(err, core.ErrInvalid) || strings.Contains(err.Error(), "ssss") {
			t.Errorf("%d bytes: got %.200v", size, err)
		}
	}
	register(t, registry, registration("a", "o", 5*time.Second))
}
