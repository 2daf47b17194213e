package etcd

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
)

// history knows which revisions certainly belong to the cluster's present
// history. A cluster that was wiped or restored has the same ClusterId and counts
// its revisions anew (etcd #14303), so a number alone proves nothing; but no
// cluster can be wiped while a connection to one of its members lives. A revision
// listed is therefore proven until the last connection has ended.
type history struct {
	mu       sync.Mutex
	watching bool // a stats handler tells of the connections
	live     int
	epoch    uint64
	proven   map[proof]struct{} // of this epoch
}

type proof struct {
	prefix   string
	revision int64
}

// mostProofs bounds the memory. Losing a proof costs one list.
const mostProofs = 8192

// now returns the present epoch; ask before sending what is to be proven.
func (h *history) now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch
}

// note remembers that the revision was read for the prefix in that epoch.
func (h *history) note(epoch uint64, prefix string, revision int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.watching || epoch != h.epoch {
		return
	}
	if h.proven == nil || len(h.proven) >= mostProofs {
		h.proven = make(map[proof]struct{})
	}
	h.proven[proof{prefix, revision}] = struct{}{}
}

// proves reports whether the revision, read for the prefix, is of the present
// history for sure.
func (h *history) proves(prefix string, revision int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.proven[proof{prefix, revision}]
	return ok
}

// HandleConn implements stats.Handler.
func (h *history) HandleConn(_ context.Context, s stats.ConnStats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch s.(type) {
	case *stats.ConnBegin:
		h.live++
	case *stats.ConnEnd:
		if h.live--; h.live == 0 {
			h.epoch++
			h.proven = nil
		}
	}
}

// TagConn implements stats.Handler.
func (h *history) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// TagRPC implements stats.Handler.
func (h *history) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (h *history) HandleRPC(context.Context, stats.RPCStats) {}
