package holdfastgin

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/health"
)

func TestCheckMetrics_ShowsLastRuns(t *testing.T) {
	set := health.New(health.Options{})
	defer func() { _ = set.Close(context.WithoutCancel(t.Context())) }()
	for name, err := range map[string]error{"db": nil, "queue": errors.New("down")} {
		if e := set.Register(health.Func(name, func(context.Context) error { return err }), health.CheckOptions{}); e != nil {
			t.Fatal(e)
		}
	}
	shown := func(set *health.Set) map[string]bool {
		up := make(map[string]bool)
		CheckMetrics(set).EachCheck(func(name string, ok bool, took time.Duration, at time.Time) {
			if !at.IsZero() && took >= 0 {
				up[name] = ok
			}
		})
		return up
	}
	set.All(t.Context())
	if got, want := shown(set), map[string]bool{"db": true, "queue": false}; !maps.Equal(got, want) {
		t.Errorf("shown are %v, want %v", got, want)
	}
	if got := shown(nil); len(got) != 0 {
		t.Errorf("no checks show as %v", got)
	}
}
