package etcd_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

func TestDial_RefusesMistakes(t *testing.T) {
	good := []string{"http://127.0.0.1:2379"}
	for name, o := range map[string]etcd.DialOptions{
		"no endpoints":        {},
		"empty endpoint":      {Endpoints: []string{""}},
		"no host":             {Endpoints: []string{"http://"}},
		"password in URL":     {Endpoints: []string{"http://user:hunter2@127.0.0.1:2379"}},
		"scheme":              {Endpoints: []string{"ftp://127.0.0.1"}},
		"mixed":               {Endpoints: []string{"http://a:1", "https://b:1"}},
		"TLS over http":       {Endpoints: good, TLS: &etcd.TLSOptions{}},
		"half a login":        {Endpoints: good, Username: "u"},
		"two logins":          {Endpoints: good, Username: "u", Password: "hunter2", Token: "t"},
		"certificate alone":   {Endpoints: []string{"https://a:1"}, TLS: &etcd.TLSOptions{CertFile: "x"}},
		"no such file":        {Endpoints: []string{"https://a:1"}, TLS: &etcd.TLSOptions{CAFile: "no such file"}},
		"negative heartbeat":  {Endpoints: good, Heartbeat: -1},
		"timeout > heartbeat": {Endpoints: good, Heartbeat: time.Second, HeartbeatTimeout: 2 * time.Second},
		"negative sync":       {Endpoints: good, AutoSyncInterval: -1},
	} {
		c, err := etcd.Dial(o)
		if !errors.Is(err, core.ErrInvalid) || c != nil {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a secret", name)
		}
	}
}

func TestDialOptions_NeverShowSecrets(t *testing.T) {
	o := etcd.DialOptions{Endpoints: []string{"a:1"}, Username: "u", Password: "hunter2", Token: "hunter2"}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "options", o)
	for _, text := range []string{fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", o), fmt.Sprintf("%v", &o), b.String()} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("shows the password: %s", text)
		}
	}
}

func TestDial_NeverBlocksOnADeadCluster(t *testing.T) {
	for name, o := range map[string]etcd.DialOptions{
		"plain":    {Endpoints: []string{"http://127.0.0.1:1"}},
		"password": {Endpoints: []string{"http://127.0.0.1:1"}, Username: "u", Password: "hunter2"},
		"token":    {Endpoints: []string{"http://127.0.0.1:1"}, Token: "hunter2"},
		"TLS":      {Endpoints: []string{"https://127.0.0.1:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c, err := etcd.Dial(o)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 100*time.Millisecond {
				t.Errorf("Dial took %v", took)
			}
			ctx := ctxOf(t)
			for range 3 {
				start = time.Now()
				_, err = c.ConfigSource("/config/", etcd.ConfigOptions{}).Load(ctx)
				if !errors.Is(err, core.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("Load: got %v", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("Load of a cluster that refuses connections took %v", took)
				}
			}
			start = time.Now()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 200*time.Millisecond {
				t.Errorf("Close took %v", took)
			}
			if _, err := c.ConfigSource("/config/", etcd.ConfigOptions{}).Load(ctx); !errors.Is(err, core.ErrClosed) {
				t.Errorf("Load after Close: got %v", err)
			}
			for _, err := range c.ConfigSource("/config/", etcd.ConfigOptions{}).Watch(ctx, "1") {
				if !errors.Is(err, core.ErrClosed) {
					t.Errorf("Watch after Close: got %v", err)
				}
			}
		})
	}
}
