package policy_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestFallback_OneEventPerChangeOfLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		b := &profiles{}
		f := policy.Try(nil, b.get).ThenCached(memory.New(), "b").ThenDefault(guest).
			OnChange(func(c policy.LevelChange) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprint(c.From, " ", c.To, " ", c.Cause))
				panic("a receiver harms nobody")
			}).Must()
		began := time.Now()
		for i := range 600 { // a minute, of which the second quarter and the fourth flap
			switch {
			case i < 150, i >= 300 && i < 450:
				b.set(nil)
			case i < 300:
				b.set(errors.New("away"))
			default:
				b.set([]error{nil, errors.New("away")}[i%2])
			}
			_, _, _ = f.Get(t.Context(), []string{"a", fmt.Sprint(i)}[i/10%2])
			time.Sleep(100 * time.Millisecond)
			if i == 299 {
				if s := f.Stats(); !s.Since.Equal(began.Add(15 * time.Second)) {
					t.Errorf("since %v", s.Since.Sub(began))
				}
			}
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := []string{"none live <nil>", "live default away", "default live <nil>"}
		if diff := cmp.Diff(want, got[:min(3, len(got))]); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := len(got); n < 20 || n > 34 {
			t.Errorf("%d events while it flapped for 15 s, want at most 2 a second: %v", n-3, got)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLogLevels_SaysWhatChanged(t *testing.T) {
	var b bytes.Buffer
	tell := policy.LogLevels(slog.New(slog.NewTextHandler(&b, nil)), "users")
	tell(policy.LevelChange{From: core.Live, To: core.Cached, Cause: policy.ErrOpen})
	tell(policy.LevelChange{From: core.Cached, To: core.Live})
	policy.LogLevels(nil, "users")(policy.LevelChange{})
	for _, want := range []string{"level=WARN", "from=live to=cached", "breaker open", "level=INFO", "to=live\n", "fallback=users"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q does not say %q", b.String(), want)
		}
	}
}
