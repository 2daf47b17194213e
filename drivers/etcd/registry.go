package etcd

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// RegistryOptions are the options of a [Registry]. The zero value works.
type RegistryOptions struct {
	// Prefix is the part of the keyspace that holds the instances; a "/" is added at
	// its end if there is none. All processes that shall find each other use the
	// same. Default "/services/".
	Prefix string
}

// Registry is a [core.Registry] below a prefix of etcd. It is safe for concurrent
// use.
type Registry struct {
	revisions
	client *Client
	prefix string
}

var (
	_ core.Registry    = (*Registry)(nil)
	_ core.LossAwaiter = (*Registry)(nil)
	_ core.Comparer    = (*Registry)(nil)
	_ core.Located     = (*Registry)(nil)
)

var errNoService = errors.New("no service name")

// Registry returns the registry below a prefix of etcd. Nothing is asked of the
// cluster yet.
func (c *Client) Registry(options RegistryOptions) *Registry {
	if options.Prefix == "" {
		options.Prefix = "/services/"
	}
	return &Registry{client: c, prefix: withSlash(options.Prefix)}
}

// Origin implements [core.Registry]: "etcd " and the prefix.
func (r *Registry) Origin() string { return driver + " " + r.prefix }

// Addresses implements [core.Located].
func (r *Registry) Addresses() []string { return r.client.addresses() }

// Discover implements [core.Registry]. The Snapshot is a Replica if it was read
// without quorum (an etcd serializable read).
func (r *Registry) Discover(ctx context.Context, service string) (core.Snapshot[core.Instance], error) {
	if service == "" {
		return core.Snapshot[core.Instance]{}, r.invalid("discover", "", errNoService)
	}
	return loadSet(ctx, r.client, "discover", r.set(service))
}

// Watch implements [core.Registry]. It begins with a Reset if the revision can't
// be proven to be of the cluster's present history.
func (r *Registry) Watch(ctx context.Context, service string, after core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	if service == "" {
		return func(yield func(core.Update[core.Instance], error) bool) {
			yield(core.Update[core.Instance]{}, r.invalid("watch", "", errNoService))
		}
	}
	return watchRange(ctx, r.client, r.set(service), after)
}

// key is where an instance is stored.
func (r *Registry) key(service, id string) string {
	return r.prefix + escape(service) + "/" + escape(id)
}

// set is the instances of one service.
func (r *Registry) set(service string) set[core.Instance] {
	s := newSet[core.Instance](r.prefix+escape(service)+"/", service)
	s.entry = func(rest string) (string, bool) {
		// What has more segments is somebody else's.
		if rest == "" || strings.Contains(rest, "/") {
			return "", false
		}
		if id, ok := unescape(rest); ok {
			return id, true
		}
		return rest, true
	}
	s.decode = func(rest string, value []byte) (core.Instance, error) {
		id, ok := unescape(rest)
		if !ok {
			return core.Instance{}, corrupt("its key is not escaped as it should be")
		}
		e, err := decodeEntry(service, id, value)
		return e.Instance, err
	}
	return s
}

func (r *Registry) invalid(op, key string, err error) error {
	return &core.Error{Driver: driver, Op: op, Key: key, Kind: core.ErrInvalid, Err: err}
}
