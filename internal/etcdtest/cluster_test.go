package etcdtest

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// local reads key from the member itself, without quorum; "" if there is none.
func local(t *testing.T, m *Server, client *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rpcLimit)
	defer cancel()
	answer, err := client.Get(ctx, key, clientv3.WithSerializable())
	if err != nil {
		t.Fatalf("serializable get %s from %s: %v", key, m.name, err)
	}
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestCluster_ElectsAnotherLeader(t *testing.T) {
	began := time.Now()
	c := StartCluster(t, 3, Options{})
	t.Logf("three members started in %v", time.Since(began))
	client := c.Client(t)
	put(t, client, "a", "1")
	first := c.Leader()
	c.Members[first].Kill()
	began = time.Now()
	second := c.Leader()
	t.Logf("another leader after %v", time.Since(began))
	if second == first {
		t.Fatalf("member %d leads, and was killed", first)
	}
	c.Members[first].Restart()
	if got := get(t, c.Members[first].Client(t), "a"); got != "1" {
		t.Fatalf("a is %q; want 1", got)
	}

	c.Kill()
	c.Wipe()
	c.Restart()
	if got := get(t, client, "a"); got != "" {
		t.Fatalf("a is %q after a wipe; want nothing", got)
	}
}

func TestIsolate_CutsOneDirection(t *testing.T) {
	c := StartCluster(t, 3, Options{PeerProxies: true})
	client := c.Client(t)
	put(t, client, "a", "1")
	cut := (c.Leader() + 1) % 3
	m := c.Members[cut]
	alone := m.Client(t)
	until(t, "the follower has the first value", func() bool { return local(t, m, alone, "a") == "1" })

	for _, row := range []struct {
		name  string
		kind  Isolation
		hears bool
	}{{"deaf", Deaf, false}, {"mute", Mute, true}, {"alone", Alone, false}} {
		t.Run(row.name, func(t *testing.T) {
			before, value := local(t, m, alone, "a"), row.name
			c.Isolate(cut, row.kind)
			others := c.Members[(cut+1)%3].Client(t)
			put(t, others, "a", value)
			if row.hears {
				until(t, "a mute member hears", func() bool { return local(t, m, alone, "a") == value })
			} else if got := local(t, m, alone, "a"); got != before {
				t.Fatalf("a member that hears nobody says %q; want %q", got, before)
			}
			// Neither can read with the others' consent: it can't ask, or hears no answer.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := alone.Get(ctx, "a"); err == nil {
				t.Fatal("an isolated member answered a linearizable read")
			}
			began := time.Now()
			c.Heal()
			m.WaitReady()
			if got := get(t, alone, "a"); got != value {
				t.Fatalf("a is %q after Heal; want %q", got, value)
			}
			t.Logf("healed in %v", time.Since(began))
		})
	}
}
