package etcdtest

import (
	"strconv"
	"time"
)

// Options of a server or of every member of a cluster. The zero value is etcd
// v3.7.3 with etcd's own defaults, without TLS, fsync or auto-compaction.
type Options struct {
	// Version is one of [Versions]. Default [V37].
	Version string
	// Heartbeat between a leader and its followers. Default 100 ms.
	Heartbeat time.Duration
	// Election timeout; etcd wants at least five heartbeats. It also bounds the
	// shortest lease: one and a half of it, rounded up to seconds. Default 1 s.
	Election time.Duration
	// QuotaBytes is the size at which the backend raises the alarm NOSPACE.
	// Default 0: etcd's own, 2 GiB.
	QuotaBytes int64
	// AuthTokenTTL is how long a token of a user lasts unused, in whole seconds.
	// Default 0: etcd's own, 5 minutes.
	AuthTokenTTL time.Duration
	// TLS of the client address. Default nil: plain text. Peers always speak plain
	// text.
	TLS *TLS
	// PeerProxies sends what members of a cluster say to each other through
	// proxies, which [Cluster.Isolate] needs. Default false.
	PeerProxies bool
	// Args are further flags of etcd, after all others.
	Args []string
}

// TLS of a server's client address.
type TLS struct {
	// Authority issues the server's certificate. Required.
	Authority *Authority
	// RequireClientCert refuses clients without a certificate of Authority.
	RequireClientCert bool
}

func (o Options) flags() []string {
	if o.Heartbeat == 0 {
		o.Heartbeat = 100 * time.Millisecond
	}
	if o.Election == 0 {
		o.Election = time.Second
	}
	flags := []string{
		"--unsafe-no-fsync",
		"--log-level", "error",
		"--heartbeat-interval", strconv.FormatInt(o.Heartbeat.Milliseconds(), 10),
		"--election-timeout", strconv.FormatInt(o.Election.Milliseconds(), 10),
		"--auto-compaction-retention", "0",
	}
	if o.QuotaBytes != 0 {
		flags = append(flags, "--quota-backend-bytes", strconv.FormatInt(o.QuotaBytes, 10))
	}
	if o.AuthTokenTTL != 0 {
		flags = append(flags, "--auth-token-ttl", strconv.FormatInt(int64(o.AuthTokenTTL/time.Second), 10))
	}
	return append(flags, o.Args...)
}
