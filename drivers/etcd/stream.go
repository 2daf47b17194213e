package etcd

import (
	"context"
	"errors"
	"slices"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
)

// stream is one generation of the client's watch stream, shared by all its
// watches: it begins with the first of them, ends with the last or when anything
// breaks, and is never mended. The next watch gets a new one.
type stream struct {
	client  *Client
	watcher clientv3.Watcher
	ctx     context.Context // its cause is why the generation ended
	cancel  context.CancelCauseFunc
	pulse   sync.WaitGroup

	members int  // guarded by Client.mu
	retired bool // guarded by Client.mu; takes no new members

	mu      sync.Mutex
	watches []*membership // in the order in which a heartbeat is for them next
	seen    int64         // newest revision of any message
	need    int64         // the revision that answers the heartbeat in flight
	answers chan struct{} // closed by a message with that revision; nil if none is awaited
}

// membership is one watch's hold on a stream.
type membership struct {
	*stream
	key  string          // the first of the watch
	own  context.Context // ends with the stream, or earlier by quit
	quit context.CancelCauseFunc
}

var errNoMembers = errors.New("the last watch of the stream ended")

// join returns a hold on the current stream, or on a new one.
func (c *Client) join(key string) (*membership, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &core.Error{Driver: driver, Op: "watch", Kind: core.ErrClosed}
	}
	if c.current == nil || c.current.retired || c.current.ctx.Err() != nil {
		c.current = c.newStream()
	}
	c.current.members++
	m := &membership{stream: c.current, key: key}
	m.own, m.quit = context.WithCancelCause(m.ctx)
	m.mu.Lock()
	m.watches = append(m.watches, m)
	m.mu.Unlock()
	return m, nil
}

func (c *Client) newStream() *stream {
	s := &stream{client: c}
	// The outgoing metadata names a stream in clientv3; a caller's own must not, and
	// without require-leader a watch on a member without quorum stays silent.
	ctx := metadata.NewOutgoingContext(c.ctx, metadata.Pairs(rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader))
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.watcher = clientv3.NewWatchFromWatchClient(watchClient{s}, c.etcd)
	c.live[s] = struct{}{}
	s.pulse.Go(s.beat)
	return s
}

// leave gives the hold back. The last one to leave waits until everything of the
// stream has ended.
func (m *membership) leave() {
	s, c := m.stream, m.client
	m.quit(nil)
	s.mu.Lock()
	s.watches = slices.DeleteFunc(s.watches, func(other *membership) bool { return other == m })
	s.mu.Unlock()
	c.mu.Lock()
	s.members--
	last := s.members == 0
	if last {
		s.retired = true
		delete(c.live, s)
		if c.current == s {
			c.current = nil
		}
	}
	c.mu.Unlock()
	if !last {
		return
	}
	s.cancel(errNoMembers)
	s.release()
}

// release waits until everything of a stream whose ctx has ended is gone.
func (s *stream) release() {
	s.pulse.Wait()
	_ = s.watcher.Close() // says again how the stream ended
}

// retire makes the next watch join a new stream; the members of this one stay.
func (s *stream) retire() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.retired = true
}

// doubt is retire of a stream on which a watch was not confirmed; one that never
// said anything is over for its other watches too.
func (s *stream) doubt() {
	s.retire()
	s.mu.Lock()
	mute := s.seen == 0
	s.mu.Unlock()
	if mute {
		s.end(errNotCreated)
	}
}

// end ends the generation and all its watches with err.
func (s *stream) end(err error) { s.cancel(err) }

// arrived notes a message of the server.
func (s *stream) arrived(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, revision)
	if s.answers != nil && revision >= s.need {
		close(s.answers)
		s.answers = nil
	}
}

// nextKey returns the first key of the watch whose turn it is, which the client's
// user may read, so that a heartbeat needs no further permission; "" while there is
// none. That they take turns finds out each watch whose permission is gone.
func (s *stream) nextKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watches) == 0 {
		return ""
	}
	next := s.watches[0]
	s.watches = append(slices.Delete(s.watches, 0, 1), next)
	return next.key
}

// refuse ends the watches that begin at a key with err, and no others.
func (s *stream) refuse(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = slices.DeleteFunc(s.watches, func(m *membership) bool {
		if m.key != key {
			return false
		}
		m.quit(err)
		return true
	})
}

// watchClient is the generated client with one difference: what breaks the stream
// ends the generation with that error, and reaches clientv3 as one after which it
// does not reconnect. Left alone it resumes at its own next revision, silently, on
// whatever cluster is there then.
type watchClient struct{ stream *stream }

// Watch implements pb.WatchClient.
func (w watchClient) Watch(ctx context.Context, opts ...grpc.CallOption) (pb.Watch_WatchClient, error) {
	inner, err := w.stream.client.watch.Watch(ctx, append(opts, callOptions()...)...)
	if err != nil {
		return nil, w.halt(ctx, err)
	}
	return &watchStream{Watch_WatchClient: inner, owner: w, ctx: ctx}, nil
}

func (w watchClient) halt(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		w.stream.client.auth.forget(err)
		w.stream.end(err)
	}
	return status.Error(codes.Aborted, "the watch stream ended")
}

type watchStream struct {
	pb.Watch_WatchClient
	owner watchClient
	ctx   context.Context // the stream's own, which tells a break from a release
}

// Recv implements pb.Watch_WatchClient.
func (s *watchStream) Recv() (*pb.WatchResponse, error) {
	response, err := s.Watch_WatchClient.Recv()
	if err != nil {
		return nil, s.owner.halt(s.ctx, err)
	}
	s.owner.stream.arrived(response.GetHeader().GetRevision())
	return response, nil
}
