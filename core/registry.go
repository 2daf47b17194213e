package core

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Registration asks a [Registry] to let peers see an instance.
type Registration struct {
	Instance Instance
	// Owner names the incarnation that registers: random, ordered by start time
	// (of two owners the one that is greater as a string started later), one per
	// announcement. A Registry gives an ID to its newest owner.
	Owner string
	// TTL is how long the registration outlives its last refresh. A driver rounds
	// it up to what its backend can do.
	TTL time.Duration
}

// Validate reports a registration that no backend can take: an invalid instance,
// no owner, or a TTL that is not positive. The error is of kind [ErrInvalid].
func (r Registration) Validate() error {
	if err := r.Instance.Validate(); err != nil {
		return err
	}
	if r.Owner == "" {
		return fmt.Errorf("%w: registration of %q has no Owner", ErrInvalid, r.Instance.ID)
	}
	if r.TTL <= 0 {
		return fmt.Errorf("%w: registration of %q has a TTL of %v; give a positive one", ErrInvalid, r.Instance.ID, r.TTL)
	}
	return nil
}

// Registry is where instances of services are announced and found.
//
// A Registry makes one try per call and reports honestly: no retry loop, no
// queue, no cache, and no goroutine beyond what its client library forces. Every
// method ends soon after its ctx does. All methods are safe for concurrent use.
// Package drivertest checks an implementation against all of this.
type Registry interface {
	// Origin names what is read, for people and for the names of caches: stable
	// across restarts, the same for the same data, without secrets or addresses
	// that change ("etcd /services/").
	Origin() string

	// Register makes r.Instance visible to peers, or keeps it so: an idempotent
	// upsert that is called again well before the TTL ends. It returns nil only
	// when peers can see exactly this instance. An entry of an older owner is
	// taken over.
	//
	// Errors: [ErrConflict] when a newer owner holds the ID; [ErrInvalid] when the
	// backend can never take r; [ErrDenied]; [ErrThrottled]; [ErrUnavailable] when
	// the outcome is unknown or nothing happened.
	Register(ctx context.Context, r Registration) error

	// Deregister removes the instance if r.Owner holds it. It is idempotent: nil
	// when there was nothing to remove. It removes only what r.Owner holds, and
	// once it returned nil nothing late, such as a Register whose outcome was
	// unknown, may bring the instance back. Only ID, Service and Owner matter.
	//
	// Errors: as Register, but never [ErrConflict]: what another owner holds is
	// not there for this one.
	Deregister(ctx context.Context, r Registration) error

	// Discover lists the instances of a service by ID, at one revision, whatever
	// their Status. A service that nobody registered is an empty Snapshot with a
	// Revision, not an error. It spends at most half of ctx's remaining time on a
	// consistent read, and the rest on a read without quorum (Replica), if the
	// backend has such a thing.
	//
	// Errors: [ErrUnavailable], [ErrDenied], [ErrThrottled], [ErrInvalid] (no
	// service name).
	Discover(ctx context.Context, service string) (Snapshot[Instance], error)

	// Watch yields what happens to the instances of a service after the given
	// revision, under the rules of a watch in the package comment. Nothing is
	// asked of the backend before the range begins.
	Watch(ctx context.Context, service string, after Revision) iter.Seq2[Update[Instance], error]
}

// LossAwaiter is an optional ability of a [Registry], found with [As]: it tells
// at once when a registration is lost, where its absence means that the loss is
// seen at the next beat.
type LossAwaiter interface {
	// AwaitLoss blocks until the registration is lost or can't be watched, and
	// never returns nil: [ErrNotFound] when it is gone, [ErrConflict] when another
	// owner took it, [ErrUnavailable] when it can't tell, context.Cause(ctx) when
	// ctx ended. Only ID, Service and Owner of r matter. It is bound by the rules
	// of a watch, and watches the own key only: ten thousand instances that watch
	// their whole service would be a storm.
	AwaitLoss(ctx context.Context, r Registration) error
}

// Located is an optional ability of a [Registry] or [ConfigSource] that is reached
// over a network, found with [As].
type Located interface {
	// Addresses returns the host:port of each server that is asked, without
	// secrets, for finding the route to it. It never blocks.
	Addresses() []string
}
