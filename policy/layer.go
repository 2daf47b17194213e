package policy

import "context"

// Layer is one policy of a chain: [Retry], [Breaker], [Timeout], [Bulkhead],
// [RateLimit], [Hedge], or what [From] returns.
type Layer interface {
	kind() string
	// check refuses values that make no sense.
	check() error
	// build makes what runs; it is called once per chain, outermost first.
	build(*plan) step
}

// plan is what layers learn about their chain while it is built.
type plan struct {
	chain   *Chain
	outside []*timeoutStep // timeouts further out
}

// step is a layer that runs. It is safe for concurrent use.
type step interface {
	// do runs a call through this layer and the rest.
	do(ctx context.Context, rest []step, r runner) error
	state() LayerState
}

// run passes a call on to the rest of a chain.
func run(ctx context.Context, rest []step, r runner) error {
	if len(rest) == 0 {
		return r.run(ctx)
	}
	return rest[0].do(ctx, rest[1:], r)
}
