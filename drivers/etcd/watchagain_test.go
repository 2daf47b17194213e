package etcd

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// brokenWatches opens so many streams and no more.
type brokenWatches struct {
	pb.WatchClient
	left atomic.Int32
}

func (b *brokenWatches) Watch(ctx context.Context, opts ...grpc.CallOption) (pb.Watch_WatchClient, error) {
	if b.left.Add(-1) < 0 {
		return nil, status.Error(codes.Unavailable, "the connection broke")
	}
	return b.WatchClient.Watch(ctx, opts...)
}

// A revision that is not proven costs a list, and the connection may break between
// that and the watch that goes on from it.
func TestWatch_EndsWithUnavailableWhenCutAfterItsList(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client, err := Dial(DialOptions{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	broken := &brokenWatches{WatchClient: client.watch}
	broken.left.Store(1)
	client.watch = broken
	var last error
	for u, err := range client.ConfigSource("/config/", ConfigOptions{}).Watch(ctx, "1") {
		if err == nil {
			t.Errorf("got %+v", u)
		}
		last = err
	}
	if !errors.Is(last, core.ErrUnavailable) {
		t.Errorf("got %v", last)
	}
}
