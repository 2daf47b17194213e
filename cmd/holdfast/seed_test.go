package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/etcd"
)

// TestSeed_IsWhatAServiceServesWithoutItsBackend seeds a folder, and starts a service on
// it whose etcd is not there.
func TestSeed_IsWhatAServiceServesWithoutItsBackend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	input := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(input, []byte(`
limits/max_items: 7
limits/ratio: "0.10"
db/main.yaml: |
  host: db.internal
flags: {beta: true, regions: [eu, us]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, call(t, 0, "cache", "seed", "-origin", "etcd /config/orders/", "-scope", "eu", "-bind", "limits,db/main,flags",
		"-saved", "2026-01-02T03:04:05Z", dir, input), "4 keys written to bucket holdfast/")
	contains(t, callWith(t, 0, `[{"id": "inventory-1", "endpoints": ["http://10.0.0.7:8080"]}]`,
		"cache", "seed", dir, "-", "-origin", "etcd /services/", "-scope", "eu", "-service", "inventory"), "1 instance written")

	client, err := etcd.Dial(etcd.DialOptions{Endpoints: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	store := file.New(dir, file.Options{})
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	svc, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "orders", Config: client.ConfigSource("/config/orders", etcd.ConfigOptions{}),
		Registry: client.Registry(etcd.RegistryOptions{Prefix: "/services"}),
		Cache:    store, CacheScope: "eu", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	limits, err := holdfast.Bind(svc.Config(), "limits", struct {
		MaxItems int
		Ratio    float64
	}{MaxItems: 100})
	if err != nil {
		t.Fatal(err)
	}
	db, err := holdfast.Bind(svc.Config(), "db/main", struct{ Host string }{})
	if err != nil {
		t.Fatal(err)
	}
	flags, err := holdfast.Bind(svc.Config(), "flags", struct {
		Beta    bool
		Regions []string
	}{})
	if err != nil {
		t.Fatal(err)
	}
	if got, st := limits.Get(), limits.Status(); got.MaxItems != 7 || got.Ratio != 0.1 || st.Level != core.Cached || st.Age < 100*24*time.Hour {
		t.Errorf("limits: %+v, %+v", got, st)
	}
	if got, st := db.Get(), db.Status(); got.Host != "db.internal" || st.Level != core.Cached {
		t.Errorf("db/main: %+v, %+v", got, st)
	}
	if got, st := flags.Get(), flags.Status(); !got.Beta || len(got.Regions) != 2 || st.Level != core.Cached {
		t.Errorf("flags: %+v, %+v", got, st)
	}
	inventory := svc.Endpoints("inventory")
	if err := inventory.WaitLevel(t.Context(), core.Cached); err != nil {
		t.Fatal(err)
	}
	if in := inventory.Instances(); len(in) != 1 || in[0].ID != "inventory-1" || in[0].Service != "inventory" {
		t.Errorf("instances: %+v", in)
	}
	contains(t, call(t, 0, "cache", "verify", dir), "2 buckets, all whole")
}

func TestSeed_RefusesWhatItWouldNotWriteRight(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	configuration := []string{"cache", "seed", "-origin", "etcd /c/", dir, "-"}
	instances := append([]string{"cache", "seed", "-service", "inventory"}, configuration[2:]...)
	for _, row := range []struct {
		args        []string
		input, says string
	}{
		{configuration, "", "no keys"},
		{configuration, "- a\n- b\n", "neither valid YAML"},
		{configuration, "password: [hunter2", "neither valid YAML"},
		{configuration, "a:\n", "has no value"},
		{configuration, "ratio: 1.10\n", "into quotes"},
		{configuration, "a.toml: {b: 1}\n", "as text"},
		{instances, "a: 1\n", "neither valid YAML"},
		{instances, "- id: x\n  endpoint: http://10.0.0.7:80\n", "neither valid YAML"},
		{instances, "- version: x\n", "invalid"},
	} {
		text := callWith(t, 1, row.input, row.args...)
		contains(t, text, row.says)
		if strings.Contains(text, "hunter2") {
			t.Errorf("it shows the value:\n%s", text)
		}
	}
	contains(t, call(t, 1, "cache", "seed", "-origin", "etcd /c/", dir, filepath.Join(dir, "missing.yaml")), "missing.yaml")
}

func TestSeed_ReplacesOnlyWhenAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for _, args := range [][]string{
		{"cache", "seed", "-origin", "etcd /c/", dir, "-"},
		{"cache", "seed", "-bucket", "mine", dir, "-"},
	} {
		callWith(t, 0, "a: first", args...)
		contains(t, callWith(t, 1, "a: second", args...), "is there already")
		callWith(t, 0, "b: third", append(args, "-replace")...)
	}
	shown := call(t, 0, "cache", "show", "-values", dir)
	contains(t, shown, "bucket mine, 1 record\n", "third")
	if strings.Contains(shown, "first") {
		t.Errorf("it was not replaced:\n%s", shown)
	}
}
