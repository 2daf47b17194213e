package etcd

import (
	"iter"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/holdfast-go/holdfast/core"
)

// set is how the keys below a prefix read as entries.
type set[V any] struct {
	prefix, end string // the range in etcd; prefix ends in "/"
	name        string // what errors call it
	// entry names the entry of a key, given without the prefix; ok is false if the
	// key is none of ours.
	entry func(rest string) (name string, ok bool)
	// decode reads an entry; its error never holds the value.
	decode func(rest string, value []byte) (V, error)
}

func newSet[V any](prefix, name string) set[V] {
	return set[V]{prefix: prefix, end: clientv3.GetPrefixRangeEnd(prefix), name: name}
}

// page is a part of a list.
type listing struct {
	revision int64
	replica  bool
	kvs      [][]*mvccpb.KeyValue
	count    int
}

// snapshot reads a whole list.
func (s set[V]) snapshot(l listing) core.Snapshot[V] {
	u := s.reset(l)
	return core.Snapshot[V]{Items: u.Put, Bad: u.Bad, Revision: u.Revision, Replica: l.replica}
}

// reset reads a whole list as one Update.
func (s set[V]) reset(l listing) core.Update[V] {
	u := core.Update[V]{Reset: true, Revision: formatRevision(l.revision), Put: make(map[string]V, l.count)}
	for _, kvs := range l.kvs {
		for _, kv := range kvs {
			s.put(&u, kv)
		}
	}
	return u
}

// update reads the events of one revision as one Update. Of several events of one
// key the last one counts.
func (s set[V]) update(revision int64, events []*clientv3.Event) core.Update[V] {
	u := core.Update[V]{Revision: formatRevision(revision)}
	deleted := make(map[string]struct{})
	for _, e := range events {
		if e.Type != clientv3.EventTypeDelete {
			if name, ok := s.put(&u, e.Kv); ok {
				delete(deleted, name)
			}
			continue
		}
		if name, ok := s.nameOf(e.Kv); ok {
			delete(u.Put, name)
			delete(u.Bad, name)
			deleted[name] = struct{}{}
		}
	}
	for name := range deleted {
		u.Delete = append(u.Delete, name)
	}
	return u
}

func (s set[V]) nameOf(kv *mvccpb.KeyValue) (name string, ok bool) {
	rest, ok := strings.CutPrefix(string(kv.GetKey()), s.prefix)
	if !ok {
		return "", false
	}
	return s.entry(rest)
}

func (s set[V]) put(u *core.Update[V], kv *mvccpb.KeyValue) (name string, ok bool) {
	name, ok = s.nameOf(kv)
	if !ok {
		return "", false
	}
	v, err := s.decode(string(kv.GetKey()[len(s.prefix):]), kv.GetValue())
	if err != nil {
		if u.Bad == nil {
			u.Bad = make(map[string]error)
		}
		u.Bad[name] = err
		delete(u.Put, name)
		return name, true
	}
	if u.Put == nil {
		u.Put = make(map[string]V)
	}
	u.Put[name] = v
	delete(u.Bad, name)
	return name, true
}

// steps splits the events of a response, which may tell of many revisions, into
// those of one revision each. A response never ends within a revision.
func steps(events []*clientv3.Event) iter.Seq2[int64, []*clientv3.Event] {
	return func(yield func(int64, []*clientv3.Event) bool) {
		for len(events) > 0 {
			revision := events[0].Kv.GetModRevision()
			n := 1
			for n < len(events) && events[n].Kv.GetModRevision() == revision {
				n++
			}
			if !yield(revision, events[:n]) {
				return
			}
			events = events[n:]
		}
	}
}

// rangeRequest asks for a page of [key, end).
func rangeRequest(key, end string, revision, limit int64, serializable bool) *pb.RangeRequest {
	r := &pb.RangeRequest{Key: []byte(key), Revision: revision, Limit: limit, Serializable: serializable}
	if end != "" {
		r.RangeEnd = []byte(end)
	}
	return r
}
