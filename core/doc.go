// Package core holds the contracts of Holdfast: what a driver implements and
// what the engines rely on.
//
// Three small interfaces are for authors of drivers: [Registry] (who is there),
// [ConfigSource] (how to behave) and [CacheStore] (what was last good, on disk).
// Applications hardly ever touch them: they hold the concrete types of the root
// package, whose engines do everything that is hard (retrying for ever, jitter,
// listing again, caching, guarding, levels). A driver makes one try and reports
// honestly.
//
// # Rules of a watch
//
// [Registry.Watch] and [ConfigSource.Watch] obey the same seven rules. The kits
// of package drivertest check each of them by its number.
//
//  1. It yields what changed after the revision given, which comes from a list
//     made a moment before: the revision only closes the gap between that list
//     and the watch. A revision that can't be continued (unknown, compacted,
//     from the future, of another history) ends the watch with [ErrRevisionGone]
//     or makes it yield a Reset first. It never silently skips, and never lets a
//     client library reconnect behind its back: when the stream breaks, the
//     watch ends.
//  2. One backend transaction is one [Update]. A transaction over several keys
//     is never seen half done and never split.
//  3. It ends with exactly one non-nil error, yielded last with a zero Update
//     ([context.Cause] of ctx when ctx ended), unless the consumer breaks out.
//     A clean end without an error is a bug. Each range over the same sequence
//     starts anew at the revision given.
//  4. Cut off from its backend it ends with [ErrUnavailable]: within 1 s when
//     the connection breaks, within two heartbeat intervals when it is silent (a
//     blackhole, a stopped process, a lost leader, a member that can send but
//     not hear). In sync and idle it yields a heartbeat each interval, at a cost
//     of at most two requests per interval for all watches of one client.
//  5. Breaking out, or ending ctx, releases everything within 1 s: no goroutine,
//     stream or connection stays.
//  6. The loop body never blocks (the engine only merges whole Updates into a
//     pending set, in under 1 ms), so a driver needs no queue of its own.
//  7. A key of another service or prefix that merely starts with the same
//     letters never appears (foo beside foobar, service a/b beside a). One
//     malformed entry is Bad and hides no other.
//
// # Errors
//
// A driver classifies each error once, by the error values of its client
// library, as one of the kinds [ErrNotFound], [ErrUnavailable], [ErrThrottled],
// [ErrRevisionGone], [ErrConflict], [ErrDenied], [ErrInvalid], [ErrCorrupt] and
// [ErrClosed], in an [*Error]. Above the driver only errors.Is is asked.
//
// When the caller's ctx was cancelled, a driver returns context.Cause(ctx) as it
// is, never wrapped. When the deadline of ctx passed while a backend was silent,
// it returns an [*Error] of kind [ErrUnavailable] whose Err is
// context.Cause(ctx); a watch, which has no deadline of its own, always ends
// with the plain context.Cause(ctx).
//
// This package imports the standard library alone.
package core
