package etcdtest

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const rpcLimit = 10 * time.Second

func put(t *testing.T, client *clientv3.Client, key, value string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rpcLimit)
	defer cancel()
	answer, err := client.Put(ctx, key, value)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return answer.Header.Revision
}

// get returns the value of key, "" if there is none.
func get(t *testing.T, client *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rpcLimit)
	defer cancel()
	answer, err := client.Get(ctx, key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

func TestServer_KeepsItsDataWhenKilledAndStopped(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			began := time.Now()
			s := Start(t, Options{Version: version})
			t.Logf("started in %v", time.Since(began))
			client := s.Client(t)
			put(t, client, "a", "1")

			endpoint := s.Endpoint()
			s.Kill()
			if s.Running() {
				t.Fatal("runs after Kill")
			}
			began = time.Now()
			s.Restart()
			t.Logf("restarted in %v", time.Since(began))
			if got := get(t, client, "a"); got != "1" {
				t.Fatalf("a is %q after Kill and Restart; want 1", got)
			}

			began = time.Now()
			s.Stop()
			t.Logf("stopped in %v", time.Since(began))
			if s.Running() {
				t.Fatal("runs after Stop")
			}
			s.Restart()
			if got := get(t, client, "a"); got != "1" {
				t.Fatalf("a is %q after Stop and Restart; want 1", got)
			}
			if s.Endpoint() != endpoint {
				t.Fatalf("the endpoint was %s and is %s", endpoint, s.Endpoint())
			}
		})
	}
}

func TestServer_WipesAndRestores(t *testing.T) {
	s := Start(t, Options{})
	client := s.Client(t)
	put(t, client, "a", "1")
	s.Kill()
	backup := s.BackupData()
	s.Restart()
	put(t, client, "a", "2")

	s.Kill()
	s.Wipe()
	s.Restart()
	if got := get(t, client, "a"); got != "" {
		t.Fatalf("a is %q after Wipe; want nothing", got)
	}
	if rev := put(t, client, "b", "1"); rev != 2 {
		t.Fatalf("the first revision of an empty cluster is %d; want 2", rev)
	}

	s.Stop()
	s.RestoreData(backup)
	s.Restart()
	if a, b := get(t, client, "a"), get(t, client, "b"); a != "1" || b != "" {
		t.Fatalf("a, b are %q, %q after RestoreData; want 1 and nothing", a, b)
	}
}

func TestServer_SaysNothingWhilePaused(t *testing.T) {
	s := Start(t, Options{})
	client := s.Client(t)
	put(t, client, "a", "1")
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Get(ctx, "a"); err == nil {
		t.Fatal("a paused server answered")
	}
	s.Resume()
	if got := get(t, client, "a"); got != "1" {
		t.Fatalf("a is %q after Resume; want 1", got)
	}
	s.Pause() // the cleanup ends a paused server too
}

func TestServer_SpeaksTLS(t *testing.T) {
	s := Start(t, Options{TLS: &TLS{Authority: NewAuthority(t), RequireClientCert: true}})
	client := s.Client(t)
	put(t, client, "a", "1")
	s.Restart()
	if got := get(t, client, "a"); got != "1" {
		t.Fatalf("a is %q; want 1", got)
	}
}

func TestServer_TakesItsOptions(t *testing.T) {
	s := Start(t, Options{
		QuotaBytes: 1 << 20, AuthTokenTTL: 2 * time.Second,
		Heartbeat: 50 * time.Millisecond, Election: 500 * time.Millisecond,
		Args: []string{"--max-txn-ops", "3"},
	})
	if got := s.Metrics()["etcd_server_quota_backend_bytes"]; got != 1<<20 {
		t.Fatalf("the quota is %v; want %v", got, 1<<20)
	}
}

func TestMetrics_CountRPCs(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			s := Start(t, Options{Version: version})
			if got := s.Metrics().RPCs(); len(got) != 0 {
				t.Fatalf("RPCs before any client: %v", got)
			}
			client := s.Client(t)
			for range 3 {
				get(t, client, "a")
			}
			put(t, client, "a", "1")
			m := s.Metrics()
			if rpcs := m.RPCs(); rpcs["KV/Range"] != 3 || rpcs["KV/Put"] != 1 {
				t.Fatalf("RPCs are %v; want KV/Range 3, KV/Put 1", rpcs)
			}
			if received := m.Received(); received["KV/Range"] != 3 {
				t.Fatalf("messages are %v; want KV/Range 3", received)
			}
			if usage := m.Usage(); usage.RSS < 1<<20 || usage.CPU <= 0 {
				t.Fatalf("usage is %+v; want more than nothing", usage)
			}
		})
	}
}
