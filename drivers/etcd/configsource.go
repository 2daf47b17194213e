package etcd

import (
	"context"
	"iter"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// ConfigOptions are the options of a [ConfigSource]. There are none yet.
type ConfigOptions struct{}

// ConfigSource is a [core.ConfigSource] over the keys below a prefix, which are
// used as they are. It is safe for concurrent use.
type ConfigSource struct {
	revisions
	client *Client
	set    set[[]byte]
}

var (
	_ core.ConfigSource = (*ConfigSource)(nil)
	_ core.Comparer     = (*ConfigSource)(nil)
)

// ConfigSource returns the configuration below a prefix of etcd, such as
// "/config/orders/". A "/" is added at its end if there is none; nothing else is
// changed, so an etcd whose keys begin without one wants a prefix without one.
// Nothing is asked of the cluster yet. A key that is the prefix itself has no name
// below it and is ignored.
func (c *Client) ConfigSource(prefix string, _ ConfigOptions) *ConfigSource {
	prefix = withSlash(prefix)
	s := newSet[[]byte](prefix, prefix)
	s.entry = func(rest string) (string, bool) { return rest, rest != "" }
	s.decode = func(_ string, value []byte) ([]byte, error) { return value, nil }
	return &ConfigSource{client: c, set: s}
}

// Origin implements [core.ConfigSource]: "etcd " and the prefix.
func (s *ConfigSource) Origin() string { return driver + " " + s.set.prefix }

// Addresses implements [core.Located].
func (s *ConfigSource) Addresses() []string { return s.client.addresses() }

// Load implements [core.ConfigSource]. The Snapshot is a Replica if it was read
// without quorum (an etcd serializable read).
func (s *ConfigSource) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	return loadSet(ctx, s.client, "load", s.set)
}

// Watch implements [core.ConfigSource]. It begins with a Reset if the revision
// can't be proven to be of the cluster's present history.
func (s *ConfigSource) Watch(ctx context.Context, after core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return watchRange(ctx, s.client, s.set, after)
}

func withSlash(prefix string) string {
	if strings.HasSuffix(prefix, "/") {
		return prefix
	}
	return prefix + "/"
}
