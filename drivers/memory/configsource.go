package memory

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// ConfigSource reads the configuration below a prefix of a [Backend]. It
// implements [core.ConfigSource] and [core.Comparer], and is safe for concurrent
// use.
type ConfigSource struct {
	order
	backend *Backend
	prefix  string
}

var (
	_ core.ConfigSource = (*ConfigSource)(nil)
	_ core.Comparer     = (*ConfigSource)(nil)
)

// ConfigSource makes a client that sees the keys below prefix, which is given a
// slash at its end where it has none; the empty prefix sees every key.
func (b *Backend) ConfigSource(prefix string) *ConfigSource {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &ConfigSource{backend: b, prefix: prefix}
}

// Put sets a key of the configuration, given in full: prefix and key. The value is
// copied.
func (b *Backend) Put(key string, value []byte) {
	b.Txn(map[string][]byte{key: value})
}

// Delete removes keys of the configuration, given in full, in one transaction.
// Unknown ones don't matter.
func (b *Backend) Delete(keys ...string) { b.Txn(nil, keys...) }

// Txn sets and removes keys of the configuration, given in full, in one
// transaction: watches see all of it in one Update. A key that is in both is set.
// Values are copied.
func (b *Backend) Txn(put map[string][]byte, remove ...string) {
	changes := make([]change, 0, len(put)+len(remove))
	for _, key := range slices.Compact(slices.Sorted(slices.Values(remove))) {
		if _, ok := put[key]; !ok {
			changes = append(changes, change{key: key})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(put)) {
		changes = append(changes, change{key: key, entry: &entry{value: bytes.Clone(put[key])}})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(changes...)
}

// Origin implements [core.ConfigSource].
func (s *ConfigSource) Origin() string { return "memory " + s.prefix }

// Load implements [core.ConfigSource].
func (s *ConfigSource) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	snap := core.Snapshot[[]byte]{Items: map[string][]byte{}, Bad: map[string]error{}}
	err := s.backend.call(ctx, "load", s.prefix, reading, func() error {
		for key, e := range s.backend.entries[""] {
			if key, ok := s.below(key); ok {
				snap.Items[key] = e.value
			}
		}
		snap.Revision = s.backend.history.revision(s.backend.history.newest)
		snap.Replica = s.backend.faults.reach == withoutQuorum
		return nil
	})
	if err != nil {
		return core.Snapshot[[]byte]{}, err
	}
	return snap, nil
}

// Watch implements [core.ConfigSource].
func (s *ConfigSource) Watch(ctx context.Context, after core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return func(yield func(core.Update[[]byte], error) bool) {
		err := s.backend.follow(ctx, s.prefix, after, s.holds, func(at core.Revision, changes []change) bool {
			u := core.Update[[]byte]{Revision: at}
			for _, c := range changes {
				key, _ := s.below(c.key)
				if c.entry == nil {
					u.Delete = append(u.Delete, key)
					continue
				}
				if u.Put == nil {
					u.Put = make(map[string][]byte, len(changes))
				}
				u.Put[key] = c.entry.value
			}
			return yield(u, nil)
		})
		if err != nil {
			yield(core.Update[[]byte]{}, err)
		}
	}
}

func (s *ConfigSource) holds(c change) bool {
	_, ok := s.below(c.key)
	return ok && c.service == ""
}

// below removes the prefix from a full key; false if the key is not below it.
func (s *ConfigSource) below(key string) (string, bool) {
	key, ok := strings.CutPrefix(key, s.prefix)
	return key, ok && key != ""
}
