package etcd

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/holdfast-go/holdfast/core"
)

// The parts of a heartbeat.
const (
	freshTries       = 2 // with several endpoints one try may hit a member that is cut off
	progressRequests = 3 // while a watch catches up the server ignores them (progressIfSync)
)

var (
	errSilent  = errors.New("the watch stream did not answer a heartbeat")
	errHistory = errors.New("the cluster's revision is below one seen before: it was wiped or restored")
)

// beat proves, once per interval and for all watches of the stream together, that
// the stream lives and that its member hears the others: a linearizable read gives
// a revision that the cluster has certainly reached, and the stream must answer a
// request for progress with that revision or a newer one. Progress alone is not
// enough: a member that can send but not hear answers for ever.
func (s *stream) beat() {
	for s.pause() {
		fresh, before, err := s.proof()
		switch {
		case s.ctx.Err() != nil:
			return
		case errors.Is(err, errNoMembers):
			continue
		case errors.Is(kind(err), core.ErrThrottled):
			fresh = before // a busy cluster is no broken one; progress alone must do this time
		case err != nil:
			s.end(err)
			return
		case fresh < before:
			s.end(&core.Error{Driver: driver, Op: "watch", Kind: core.ErrRevisionGone, Err: errHistory})
			return
		}
		if !s.progress(fresh) {
			s.end(errSilent)
			return
		}
	}
}

// proof returns a revision that the cluster has certainly reached, and the newest
// one that the stream had seen before. The watches whose key may no longer be read
// end by that alone. errNoMembers says that there is nobody to prove it for.
func (s *stream) proof() (fresh, before int64, err error) {
	for key := s.nextKey(); key != ""; key = s.nextKey() {
		s.mu.Lock()
		before = s.seen
		s.mu.Unlock()
		fresh, err = s.client.fresh(s.ctx, key)
		if !oneOf(rpctypes.Error(err), rpctypes.ErrPermissionDenied) {
			return fresh, before, err
		}
		s.refuse(key, err)
	}
	return 0, 0, errNoMembers
}

// pause waits for the next beat; false means that the stream ended.
func (s *stream) pause() bool {
	interval := s.client.heartbeatInterval
	timer := time.NewTimer(interval*9/10 + rand.N(interval/5+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// progress asks for progress and waits for a message of at least that revision.
func (s *stream) progress(revision int64) bool {
	answered := make(chan struct{})
	s.mu.Lock()
	s.need, s.answers = revision, answered
	s.mu.Unlock()
	for range progressRequests {
		// A timer of its own: RequestProgress may wait for a stream that is stuck.
		ctx, cancel := context.WithTimeout(s.ctx, s.client.heartbeatTimeout/progressRequests)
		err := s.watcher.RequestProgress(ctx)
		if err == nil {
			select {
			case <-answered:
				cancel()
				return true
			case <-ctx.Done():
			}
		} else {
			<-ctx.Done()
		}
		cancel()
		if s.ctx.Err() != nil {
			return false
		}
	}
	return false
}

// fresh returns the cluster's revision by a linearizable read that carries no
// data, within the time that an answer to a heartbeat may take. The key is not
// read; it says whose permission counts.
func (c *Client) fresh(ctx context.Context, key string) (revision int64, err error) {
	for range freshTries {
		if revision, err = c.freshOnce(ctx, key); !errors.Is(kind(err), core.ErrUnavailable) {
			break
		}
	}
	return revision, err
}

func (c *Client) freshOnce(ctx context.Context, key string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.heartbeatTimeout*2/(2*freshTries+1))
	defer cancel()
	response, err := c.kv.Range(ctx, &pb.RangeRequest{Key: []byte(key), CountOnly: true}, callOptions()...)
	if err != nil {
		return 0, err
	}
	return response.GetHeader().GetRevision(), nil
}
