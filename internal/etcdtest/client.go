package etcdtest

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Client returns a client of the test's own, which connects again within 100 ms
// after an outage. It is closed with the test. With TLS it shows a certificate
// with the common name "root".
func (s *Server) Client(t testing.TB) *clientv3.Client {
	t.Helper()
	return newClient(t, s.options, s.Endpoints())
}

func newClient(t testing.TB, options Options, endpoints []string) *clientv3.Client {
	t.Helper()
	config := clientv3.Config{
		Endpoints: endpoints,
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 100 * time.Millisecond},
			MinConnectTimeout: time.Second,
		})},
	}
	if options.TLS != nil {
		config.TLS = options.TLS.Authority.ClientConfig(t, "root")
	}
	client, err := clientv3.New(config)
	if err != nil {
		t.Fatalf("etcdtest: client: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
