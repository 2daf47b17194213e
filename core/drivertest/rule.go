package drivertest

import (
	"fmt"
	"testing"
)

// The rules of a watch, as the comment of package core numbers them.
const (
	ruleContinue    = "1: a watch yields everything that changed after the revision of a list made a moment before, in order; it never silently skips"
	ruleRevision    = "1: a revision that can't be continued (unknown, compacted, from the future, of another history) ends the watch with ErrRevisionGone or makes it yield a Reset first"
	ruleReconnect   = "1: a watch never lets a client library reconnect behind its back: when the stream breaks, the watch ends"
	ruleTransaction = "2: one backend transaction is one Update; it is never seen half done and never split"
	ruleOneError    = "3: a watch ends with exactly one non-nil error, yielded last with a zero Update, which is context.Cause(ctx) when ctx ended"
	ruleAnew        = "3: each range over the same sequence starts anew at the revision given"
	ruleCut         = "4: cut off from its backend a watch ends with ErrUnavailable within 1 s when the connection breaks"
	ruleSilent      = "4: cut off from its backend a watch ends with ErrUnavailable within two heartbeat intervals when it is silent"
	ruleHeartbeat   = "4: in sync and idle a watch yields a heartbeat each interval"
	ruleIdleCost    = "4: heartbeats cost at most two requests per interval for all watches of one client"
	ruleRelease     = "5: breaking out, or ending ctx, releases everything within 1 s: no goroutine, stream or connection stays"
	ruleNeighbour   = "7: a key of another service or prefix that merely starts with the same letters never appears"
	ruleMalformed   = "7: one malformed entry is Bad and hides no other; the error never holds the value"
)

// What package core promises beyond the rules of a watch.
const (
	ruleList      = "a list returns the whole set at one revision; an empty set is an empty Snapshot with a Revision, not an error"
	ruleOwnMaps   = "the maps of a Snapshot or Update are the caller's: changing them harms nobody"
	ruleState     = "the Revision of an Update is the state after this step"
	ruleAnyText   = "any text is a name and any bytes are a value: a driver escapes what its backend can't have"
	ruleOrigin    = "Origin is stable, the same for every client of the same data, and without secrets"
	ruleCompare   = "Compare orders two revisions of one history, says ok=false for what can't be compared, and never asks the backend"
	ruleCancel    = "when the caller's ctx was cancelled, a call returns context.Cause(ctx) as it is, never wrapped"
	ruleDeadline  = "when the deadline of ctx passed while the backend was silent, a call returns an *Error of kind ErrUnavailable whose Err is context.Cause(ctx)"
	ruleCallCut   = "a call that can't reach the backend fails with ErrUnavailable, before its deadline or at it"
	ruleDenied    = "ErrDenied: the backend answers but refuses until a person acts"
	ruleReplica   = "a list spends at most half of ctx's remaining time on a consistent read, and the rest on a read without quorum, whose answer is a Replica; a watch without quorum ends with ErrUnavailable"
	ruleRecover   = "after any end of a watch a new list shows the truth, and a watch goes on from there"
	ruleRegister  = "Register returns nil only when peers can see exactly this instance"
	ruleRefresh   = "Register is an idempotent upsert that keeps the instance visible when it is called again before the TTL ends"
	ruleExpiry    = "a registration outlives its last refresh by its TTL, and no more than the backend's rounding"
	ruleOwner     = "an ID belongs to its newest owner: an older entry is taken over, an older owner gets ErrConflict"
	ruleDereg     = "Deregister is idempotent and removes only what its Owner holds"
	ruleLate      = "once Deregister returned nil nothing late, such as a Register whose outcome was unknown, may bring the instance back"
	ruleLoss      = "AwaitLoss returns ErrNotFound when the registration is gone, ErrConflict when another owner took it, ErrUnavailable when it can't tell, context.Cause(ctx) when ctx ended; never nil"
	ruleInvalid   = "what no backend can take is ErrInvalid"
	ruleCacheGet  = "Get returns the record last written, or ErrNotFound"
	ruleCacheAll  = "All yields the records of a bucket, each once; a bucket that is not there yields nothing"
	ruleBatch     = "a Batch is applied as a whole: first Reset, then Delete, then Put; of two records with the same Key the later one wins"
	ruleAtomic    = "Write applies a batch whole or not at all"
	ruleDurable   = "what Write acknowledged is durable"
	ruleCorrupt   = "damaged bytes are never returned as if they were whole: All skips them and ends with one ErrCorrupt, Get returns ErrCorrupt, and they can be written over"
	ruleClosed    = "after Close every method fails with ErrClosed, and a second Close returns nil"
	ruleNames     = "bucket and key names are data, never a path: any non-empty text up to 1 KiB is allowed, an empty or longer one is ErrInvalid"
	ruleOwnValues = "a value belongs to the store while a call lasts, and to the caller once it was returned"
	ruleSavedAt   = "stores keep Revision, and SavedAt to the millisecond at least"
	ruleParallel  = "all methods are safe for concurrent use"
)

// ruled adds the rule that is being checked to each failure.
type ruled struct {
	testing.TB
	rule string
}

func (r ruled) Errorf(format string, args ...any) {
	r.Helper()
	r.TB.Errorf("%s\n    broken rule: %s", fmt.Sprintf(format, args...), r.rule)
}

func (r ruled) Fatalf(format string, args ...any) {
	r.Helper()
	r.TB.Fatalf("%s\n    broken rule: %s", fmt.Sprintf(format, args...), r.rule)
}
