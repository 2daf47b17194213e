package etcd_test

import (
	"crypto/tls"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTLS_ReadsRotatedFilesWithoutARestart(t *testing.T) {
	t.Parallel()
	authority := etcdtest.NewAuthority(t)
	server := etcdtest.Start(t, etcdtest.Options{TLS: &etcdtest.TLS{Authority: authority, RequireClientCert: true}})
	pair := authority.Issue(t, "app")
	ca := t.TempDir() + "/ca.pem"
	copyFile(t, ca, authority.File)
	client := dial(t, etcd.DialOptions{
		Endpoints: server.Endpoints(),
		TLS:       &etcd.TLSOptions{CAFile: ca, CertFile: pair.CertFile, KeyFile: pair.KeyFile},
	})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	mustLoad(t, source)

	// A certificate of an authority that the server doesn't know is refused ...
	stranger := etcdtest.NewAuthority(t)
	stranger.IssueTo(t, pair, "app")
	server.Restart()
	eventually(t, 10*time.Second, "a refusal of the certificate", func() bool {
		_, err := source.Load(ctxOf(t))
		return errors.Is(err, core.ErrDenied)
	})
	// ... until the files are right again.
	authority.IssueTo(t, pair, "app")
	within(t, 3*time.Second, "certificate right again to fresh", func() { loadSoon(t, source, 10*time.Second) })

	// The same with the authority that we trust.
	copyFile(t, ca, stranger.File)
	server.Restart()
	eventually(t, 10*time.Second, "a refusal of the server", func() bool {
		_, err := source.Load(ctxOf(t))
		return errors.Is(err, core.ErrDenied)
	})
	copyFile(t, ca, authority.File)
	within(t, 3*time.Second, "authority right again to fresh", func() { loadSoon(t, source, 10*time.Second) })

	// Half-written files leave the last good ones in use.
	if err := os.WriteFile(pair.CertFile, []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	within(t, 3*time.Second, "unreadable files to fresh", func() { loadSoon(t, source, 10*time.Second) })

	// A server that is down is no refusal.
	server.Kill()
	eventually(t, 15*time.Second, "unavailable", func() bool {
		_, err := source.Load(ctxOf(t))
		return errors.Is(err, core.ErrUnavailable)
	})
}

func TestTLS_MistakesAreDenied(t *testing.T) {
	t.Parallel()
	authority := etcdtest.NewAuthority(t)
	server := etcdtest.Start(t, etcdtest.Options{TLS: &etcdtest.TLS{Authority: authority, RequireClientCert: true}})
	pair := authority.Issue(t, "app")
	for name, o := range map[string]etcd.DialOptions{
		"no certificate":      {Endpoints: server.Endpoints(), TLS: &etcd.TLSOptions{CAFile: authority.File}},
		"unknown authority":   {Endpoints: server.Endpoints()},
		"wrong server name":   {Endpoints: server.Endpoints(), TLS: &etcd.TLSOptions{CAFile: authority.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile, ServerName: "elsewhere"}},
		"the caller's config": {Endpoints: server.Endpoints(), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13}},
	} {
		source := dial(t, o).ConfigSource("/config/", etcd.ConfigOptions{})
		eventually(t, 10*time.Second, name, func() bool {
			_, err := source.Load(ctxOf(t))
			return errors.Is(err, core.ErrDenied)
		})
	}
	for name, o := range map[string]etcd.DialOptions{
		"server name": {Endpoints: server.Endpoints(), TLS: &etcd.TLSOptions{CAFile: authority.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile, ServerName: "localhost"}},
		"config":      {Endpoints: server.Endpoints(), TLSConfig: authority.ClientConfig(t, "app")},
	} {
		if _, err := dial(t, o).ConfigSource("/config/", etcd.ConfigOptions{}).Load(ctxOf(t)); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// One member whose certificate is refused does not explain why another one does not
// answer, which heals by itself.
func TestTLS_OneRefusedMemberIsNoRefusalOfTheCluster(t *testing.T) {
	t.Parallel()
	authority, stranger := etcdtest.NewAuthority(t), etcdtest.NewAuthority(t)
	good := etcdtest.Start(t, etcdtest.Options{TLS: &etcdtest.TLS{Authority: authority}})
	bad := etcdtest.Start(t, etcdtest.Options{TLS: &etcdtest.TLS{Authority: stranger}})
	pair := authority.Issue(t, "app")
	client := dial(t, etcd.DialOptions{
		Endpoints: append(good.Endpoints(), bad.Endpoints()...),
		TLS:       &etcd.TLSOptions{CAFile: authority.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile},
		Heartbeat: 500 * time.Millisecond,
	})
	source := client.ConfigSource("/config/", etcd.ConfigOptions{})
	loadSoon(t, source, 10*time.Second)
	o := observe(t, source)
	eventually(t, 10*time.Second, "a heartbeat", func() bool { return o.heartbeats() > 0 })
	good.Pause()
	defer good.Resume()
	if err := o.ended(t, 20*time.Second); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("the member that works is silent: got %v", err)
	}
}
