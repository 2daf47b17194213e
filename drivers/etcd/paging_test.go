package etcd

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// betweenPages acts after the first page of a list.
type betweenPages struct {
	pb.KVClient
	pages int
	act   func()
}

func (k *betweenPages) Range(ctx context.Context, r *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	response, err := k.KVClient.Range(ctx, r, o...)
	if k.pages++; k.pages == 1 {
		k.act()
	}
	return response, err
}

func TestLoad_IsAtOneRevisionWhateverHappensBetweenPages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	for _, row := range []struct {
		keys    int64
		compact bool
	}{{0, false}, {9, false}, {10, false}, {11, false}, {25, false}, {25, true}} {
		t.Run(fmt.Sprintf("%+v", row), func(t *testing.T) {
			prefix := fmt.Sprintf("/config/%d%v/", row.keys, row.compact)
			for i := range row.keys {
				if _, err := admin.Put(ctx, fmt.Sprintf("%s%03d", prefix, i), "old"); err != nil {
					t.Fatal(err)
				}
			}
			client, err := Dial(DialOptions{Endpoints: server.Endpoints()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			client.pageSize = 10
			between := &betweenPages{KVClient: client.kv, act: func() {
				r, err := admin.Txn(ctx).Then(clientv3.OpPut(prefix+"000", "new"), clientv3.OpPut(prefix+"999", "new")).Commit()
				if err == nil && row.compact {
					_, err = admin.Compact(ctx, r.Header.Revision)
				}
				if err != nil {
					t.Error(err)
				}
			}}
			client.kv = between
			snapshot, err := client.ConfigSource(prefix, ConfigOptions{}).Load(ctx)
			if err != nil {
				t.Fatal(err)
			}
			value, extra := string(snapshot.Items["000"]), string(snapshot.Items["999"])
			want := map[bool]string{false: "old", true: "new"}[row.compact]
			if row.keys > 0 && value != want {
				t.Errorf("the first key is %q; want %q", value, want)
			}
			if (extra != "") != row.compact {
				t.Errorf("a key written between the pages is %q", extra)
			}
			if n := int64(len(snapshot.Items)); !row.compact && n != row.keys {
				t.Errorf("got %d keys; want %d", n, row.keys)
			}
		})
	}
}
