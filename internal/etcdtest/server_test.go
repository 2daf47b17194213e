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
