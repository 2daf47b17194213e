package core

// Revision names a state of a watched set in the terms of its backend (an etcd
// revision, a Consul index). It is opaque: compare revisions with == only; a
// backend whose revisions have an order offers a [Comparer]. The empty Revision
// is unknown, and no watch can continue from it.
type Revision string

// Comparer is an optional ability of a [Registry] or [ConfigSource], found with
// [As]: it orders two revisions of its backend.
type Comparer interface {
	// Compare returns a negative n if a is older than b, zero if they are the
	// same, and a positive n if a is newer. ok is false when the two can't be
	// compared: one is unknown, malformed, or known to be of another history.
	// Compare never asks the backend and is safe for concurrent use.
	Compare(a, b Revision) (n int, ok bool)
}
