// Package policy protects a remote call with a chain of layers: retry, circuit
// breaker, timeout, bulkhead, rate limit and hedge.
//
//	users := policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{After: time.Second})
//	p, err := policy.Call(ctx, users, func(ctx context.Context) (Profile, error) {
//		return client.Profile(ctx, id) // the ctx of the call carries the deadline to the wire
//	})
//
// Layers are plain structs whose zero value is a good default. They are given
// outermost first. [New] refuses values and orders that cannot work.
//
// One chain stands for one thing that may fail: a backend, or one kind of call
// to it. Make it once and share it; a chain made per call protects nothing,
// because its breaker never sees a second call.
//
// # Levels below a call
//
// [Try] makes a [Fallback]: a keyed call with levels to answer with when it fails,
// the last good answer, a default, or nothing at all, that says which of them
// answered. [RoundTripper] puts a chain around an HTTP client, [Registry] and
// [ConfigSource] around a driver.
//
// # Order
//
// From the outermost to the innermost:
//
//	Timeout    the call as a whole, all tries and waits included
//	Retry      tries again what failed
//	Hedge      begins a second try beside a slow one
//	Breaker    stops calling what fails
//	RateLimit  so many tries per interval
//	Bulkhead   so many tries at a time
//	Timeout    one try
//
// All are optional, and each may be there once; Timeout once on each side of
// Retry. RateLimit and Bulkhead may stand anywhere.
//
// # What counts as a failure
//
// [IsFailure] says which errors are failures: what is unavailable, throttled or
// out of time, and every error that nobody has classified. An answer that the
// caller does not like ([core.ErrNotFound], [core.ErrDenied], [core.ErrInvalid]
// and the like) is not a failure: it is not tried again, and a breaker takes it
// for a sign of health. Retry.If and Breaker.If decide otherwise.
//
// Whatever they say, three things are neither tried again nor counted: what
// happens once the caller's ctx has ended, the refusals of layers ([ErrOpen],
// [ErrFull], [ErrLimited]), because no call was made, and a try that lost
// against its hedge.
//
// # Panics
//
// A panic in the function passes through with its value and its stack, counts
// as a failure, and leaves every layer usable. Where a layer runs the function
// on a goroutine of its own (Hedge, and Timeout with Abandon) the caller panics
// with a [*PanicError], which holds both.
//
// # What is underneath
//
// Breaker, Bulkhead and RateLimit stand on the policies of failsafe-go, used
// through their permits rather than through its executor: that costs less than
// half, and closes some traps (docs/policies.md lists them). [From] puts any
// policy of failsafe-go into a chain.
package policy
