package holdfast

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// cacheFirst makes the answer of a first list wait for the cache where judge says
// that it takes what an earlier run knew to judge it. It waits no longer than
// Start does for a cache, from now on, and asks the backend meanwhile.
func cacheFirst[V any](life context.Context, looked <-chan struct{}, judge func(core.Snapshot[V]) bool,
	list func(context.Context) (core.Snapshot[V], error),
) func(context.Context) (core.Snapshot[V], error) {
	until := time.Now().Add(cachedStartBudget)
	return func(ctx context.Context) (core.Snapshot[V], error) {
		s, err := list(ctx)
		if err == nil && judge(s) {
			await(life, looked, time.Until(until))
		}
		return s, err
	}
}
