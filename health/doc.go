// Package health asks whether the parts of a program work, and what follows from
// it: one [Set] of checks, which are asked by name, by group, or all at once.
//
//	checks := health.New(health.Options{})
//	defer checks.Close(ctx)
//	err := errors.Join(
//		checks.Register(health.Ping("db", db.PingContext), health.CheckOptions{}),
//		checks.Register(health.PingCache("redis", ping), health.CheckOptions{Optional: true}),
//	)
//	report := checks.Group(ctx, health.Ready)
//
// However many probes come in, one check has one run under way at most; all who
// ask meanwhile wait for that one. Checks run side by side, so that a report takes
// as long as the slowest of them and never longer than its limit. A check that
// hangs is DOWN with the reason "timeout" as soon as its limit has passed, and is
// not run again before it returns: it costs one goroutine, whatever it ignores. A
// panic makes a check DOWN and nothing else.
//
// The package imports the standard library and core alone. Package holdfastgin
// serves a Set over HTTP and adds what the engines know of themselves.
package health
