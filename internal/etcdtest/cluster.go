package etcdtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const electionLimit = 30 * time.Second

// Cluster is several etcd servers that know each other. Its methods fail the test
// as those of [Server] do, and belong to the goroutine of the test.
type Cluster struct {
	// Members of the cluster, to be killed, paused and restarted one by one.
	Members []*Server

	t       testing.TB
	options Options
	network *peerNetwork // nil without PeerProxies
}

// StartCluster runs n etcd servers as one cluster and returns when each answers
// linearizable reads. They end with the test.
func StartCluster(t testing.TB, n int, options Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t, options: options}
	for i := range n {
		c.Members = append(c.Members, newServer(t, options, fmt.Sprintf("m%d", i)))
	}
	for try := 1; ; try++ {
		c.allocate()
		c.Launch()
		err := c.ready()
		if err == nil {
			return c
		}
		inUse := false
		for _, m := range c.Members {
			inUse = inUse || m.addressInUse()
		}
		if try == startTries || !inUse {
			t.Fatalf("etcdtest: %v", err)
		}
		c.Kill()
		c.Wipe()
	}
}

func (c *Cluster) allocate() {
	c.t.Helper()
	for _, m := range c.Members {
		m.allocate()
		m.peerURL = "http://" + m.peer
	}
	if c.options.PeerProxies {
		c.network = newPeerNetwork(c.t, c.Members)
	}
	members := make([]string, 0, len(c.Members))
	for i, m := range c.Members {
		if c.network != nil {
			m.peerURL = "http://" + c.network.addr(i)
		}
		members = append(members, m.name+"="+m.peerURL)
	}
	for _, m := range c.Members {
		m.members = strings.Join(members, ",")
	}
}

// Endpoints returns the URLs for clients of all members, in their order.
func (c *Cluster) Endpoints() []string {
	endpoints := make([]string, 0, len(c.Members))
	for _, m := range c.Members {
		endpoints = append(endpoints, m.Endpoint())
	}
	return endpoints
}

// Client is [Server.Client] with the endpoints of all members.
func (c *Cluster) Client(t testing.TB) *clientv3.Client {
	t.Helper()
	return newClient(t, c.options, c.Endpoints())
}

// Kill ends all members at once.
func (c *Cluster) Kill() {
	for _, m := range c.Members {
		m.Kill()
	}
}

// Launch starts the members that are down and returns at once.
func (c *Cluster) Launch() {
	c.t.Helper()
	for _, m := range c.Members {
		if !m.Running() {
			m.Launch()
		}
	}
}

// Restart ends all members, starts them again with the same addresses, flags and
// data, and returns when each answers linearizable reads.
func (c *Cluster) Restart() {
	c.t.Helper()
	c.Kill()
	c.Launch()
	if err := c.ready(); err != nil {
		c.t.Fatalf("etcdtest: %v", err)
	}
}

// Wipe removes the data of all members, which must be down. Restart then makes a
// new, empty cluster with the old ids.
func (c *Cluster) Wipe() {
	c.t.Helper()
	for _, m := range c.Members {
		m.Wipe()
	}
}

func (c *Cluster) ready() error {
	for _, m := range c.Members {
		if err := m.ready(); err != nil {
			return err
		}
	}
	return nil
}

// Leader returns the index of the leader in Members, once a majority that runs
// and is not paused agrees on it, within 30 s. It costs each member some RPCs
// Maintenance/Status.
func (c *Cluster) Leader() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), electionLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if i, ok := c.agreedLeader(ctx); ok {
			return i
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("etcdtest: no leader after %v", electionLimit)
		}
	}
}

// agreedLeader counts votes by term, because a member that is cut off goes on
// naming the leader it knew.
func (c *Cluster) agreedLeader(ctx context.Context) (int, bool) {
	type view struct{ leader, term string }
	votes := map[view]int{}
	index := map[string]int{}
	for i, m := range c.Members {
		if !m.Running() || m.process.paused {
			continue
		}
		status, err := m.status(ctx)
		if err != nil {
			continue
		}
		index[status.Header.MemberID] = i
		votes[view{status.Leader, status.Header.RaftTerm}]++
	}
	for v, n := range votes {
		if i, ok := index[v.leader]; ok && n > len(c.Members)/2 {
			return i, true
		}
	}
	return 0, false
}
