package etcd

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// staleMember is a member that no longer hears the others: from freeze on it goes
// on answering requests for progress, with the revision that it stopped at.
type staleMember struct {
	pb.WatchClient
	frozen atomic.Int64
}

type staleStream struct {
	pb.Watch_WatchClient
	member *staleMember
}

func (m *staleMember) Watch(ctx context.Context, o ...grpc.CallOption) (pb.Watch_WatchClient, error) {
	s, err := m.WatchClient.Watch(ctx, o...)
	if err != nil {
		return nil, err
	}
	return &staleStream{s, m}, nil
}

func (s *staleStream) Recv() (*pb.WatchResponse, error) {
	for {
		r, err := s.Watch_WatchClient.Recv()
		at := s.member.frozen.Load()
		if err != nil || at == 0 {
			return r, err
		}
		if len(r.Events) > 0 {
			continue
		}
		r.Header.Revision = min(r.Header.Revision, at)
		return r, nil
	}
}

func TestHeartbeat_NoticesAMemberThatStaysBehind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	client, err := Dial(DialOptions{Endpoints: server.Endpoints(), Heartbeat: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	member := &staleMember{WatchClient: client.watch}
	client.watch = member
	source := client.ConfigSource("/config/", ConfigOptions{})
	from, err := source.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	var start time.Time
	beats := 0
	for _, err := range source.Watch(ctx, from.Revision) {
		last = err
		// Behind, but with nothing missed: that is in sync.
		if beats++; beats == 1 {
			at, _ := parseRevision(from.Revision)
			member.frozen.Store(at)
		}
		if beats == 3 {
			if _, err := admin.Put(ctx, "/config/a", "missed"); err != nil {
				t.Fatal(err)
			}
			start = time.Now()
		}
	}
	if !errors.Is(last, core.ErrUnavailable) {
		t.Errorf("after %d heartbeats: got %v", beats, last)
	}
	if took := time.Since(start); beats < 3 || took > 2*time.Second {
		t.Errorf("noticed after %v; at most two heartbeats of 1 s are allowed", took)
	}
}

// A stream whose server went on to another history without breaking it, as a
// gateway may, is noticed by the revision.
func TestHeartbeat_NoticesARevisionThatWentBack(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, other := etcdtest.Start(t, etcdtest.Options{}), etcdtest.Start(t, etcdtest.Options{})
	admin := server.Client(t)
	client, err := Dial(DialOptions{Endpoints: server.Endpoints(), Heartbeat: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	source := client.ConfigSource("/config/", ConfigOptions{})
	for range 3 {
		if _, err := admin.Put(ctx, "/config/a", "1"); err != nil {
			t.Fatal(err)
		}
	}
	from, err := source.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client.kv = pb.NewKVClient(other.Client(t).ActiveConnection())
	var last error
	for _, err := range source.Watch(ctx, from.Revision) {
		last = err
	}
	if !errors.Is(last, core.ErrRevisionGone) {
		t.Errorf("got %v", last)
	}
}

// The one watch of a stream has let go of it, and the next one has it already but
// has not said its key yet.
func TestHeartbeat_WithoutAKeyEndsNothing(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client, err := Dial(DialOptions{Endpoints: server.Endpoints(), Heartbeat: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	m, err := client.join("/config/")
	if err != nil {
		t.Fatal(err)
	}
	defer m.leave()
	m.mu.Lock()
	m.watches = nil
	m.mu.Unlock()
	select {
	case <-m.ctx.Done():
		t.Errorf("it ended: %v", context.Cause(m.ctx))
	case <-time.After(500 * time.Millisecond):
	}
}

// A heartbeat asks with one watch's permission; a watch whose permission is gone
// ends only if its turn comes.
func TestHeartbeat_IsForEachWatchInTurn(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Options{})
	client, err := Dial(DialOptions{Endpoints: server.Endpoints(), Heartbeat: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	keys := []string{"/a/", "/b/", "/c/"}
	members := make(map[string]*membership)
	for _, key := range keys {
		if members[key], err = client.join(key); err != nil {
			t.Fatal(err)
		}
		defer members[key].leave()
	}
	s := members["/a/"].stream
	turns := func(n int) (got []string) {
		for range n {
			got = append(got, s.nextKey())
		}
		return got
	}
	if got, want := turns(6), append(keys, keys...); !slices.Equal(got, want) {
		t.Errorf("got turns %v; want %v", got, want)
	}
	s.refuse("/b/", core.ErrDenied)
	if got, want := turns(4), []string{"/a/", "/c/", "/a/", "/c/"}; !slices.Equal(got, want) {
		t.Errorf("after one was refused: got turns %v; want %v", got, want)
	}
	if err := context.Cause(members["/b/"].own); !errors.Is(err, core.ErrDenied) {
		t.Errorf("the refused watch ended with %v", err)
	}
	if err := members["/c/"].own.Err(); err != nil {
		t.Errorf("another watch ended with %v", err)
	}
}
