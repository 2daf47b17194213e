package outagetest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

// childEnv holds a childSpec where the test binary is to run a service instead of
// tests: what happens to a whole process needs one of its own.
const childEnv = "HOLDFAST_OUTAGE_CHILD"

// childSpec says which service a child runs.
type childSpec struct {
	Endpoints []string
	Service   string
	ID        string
	Web       *webSpec // a Gin service by holdfastgin.Run; nil is one without HTTP
}

// childState is what a child answers to a line on its input.
type childState struct {
	State         string
	Registrations uint64
	Losses        uint64
	Level         string
	Degraded      bool
}

// runChild runs a service until its input ends, and returns an exit code.
func runChild(spec string) int {
	if err := serveChild(context.Background(), spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveChild(ctx context.Context, spec string) error {
	var s childSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return err
	}
	if s.Web != nil {
		return serveWeb(ctx, s)
	}
	client, err := etcd.Dial(etcd.DialOptions{Endpoints: s.Endpoints})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name: s.Service, TTL: ttl, Logger: slog.New(slog.DiscardHandler),
		Registry: client.Registry(etcd.RegistryOptions{}),
		Config:   client.ConfigSource(configPrefix, etcd.ConfigOptions{}),
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_ = svc.Close(ctx)
	}()
	ann, err := svc.Announce(core.Instance{ID: s.ID, Endpoints: []string{"http://127.0.0.1:8081"}})
	if err != nil {
		return err
	}
	answers := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		a, st := ann.Status(), svc.Status()
		if err := answers.Encode(childState{a.State.String(), a.Registrations, a.Losses, st.Level.String(), st.Degraded}); err != nil {
			return err
		}
	}
	return nil
}
