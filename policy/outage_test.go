package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
	"github.com/holdfast-go/holdfast/policy"
)

// users is a client of a service of profiles as an application writes it.
type users struct {
	client *http.Client
	base   string
	calls  atomic.Int64
}

func (u *users) Get(ctx context.Context, id string) (p profile, err error) {
	u.calls.Add(1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+"/"+id, http.NoBody)
	if err != nil {
		return p, err
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	switch resp.StatusCode {
	case http.StatusOK:
		return p, json.NewDecoder(resp.Body).Decode(&p)
	case http.StatusNotFound:
		return p, fmt.Errorf("%w: no user %q", core.ErrNotFound, id)
	}
	return p, fmt.Errorf("status %d", resp.StatusCode)
}

func TestFallback_FollowsARealServerThroughAnOutage(t *testing.T) {
	const (
		openFor   = time.Second
		minCalls  = 10
		places    = 20
		perTry    = 500 * time.Millisecond
		callers   = 1000
		tolerance = time.Second // of a machine that is busy with other things
	)
	var broken atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(profile{Name: strings.TrimPrefix(r.URL.Path, "/")})
	}))
	defer server.Close()
	proxy := faultproxy.New(t, server.Listener.Addr().String())
	transport := &http.Transport{DisableKeepAlives: true}
	u := &users{client: &http.Client{Transport: transport}, base: "http://" + proxy.Addr()}

	chain := policy.Must(
		policy.Retry{MaxAttempts: 2, Delay: 5 * time.Millisecond},
		policy.Breaker{MinCalls: minCalls, OpenFor: openFor},
		policy.Bulkhead{MaxConcurrent: places},
		policy.Timeout{After: perTry},
	)
	f := policy.Try(chain, u.Get).
		ThenCached(memory.New(), "profiles").On(context.DeadlineExceeded, policy.ErrOpen).
		ThenDefault(guest).On(policy.ErrRefused).
		ThenEmpty().Must()
	ctx := t.Context()
	at := func(phase string, want core.Level) {
		t.Helper()
		a, err := f.Ask(ctx, "ann")
		if a.Level != want {
			t.Errorf("%s: got %v (%v), %v; want %v", phase, a.Level, a.Cause, err, want)
		}
	}

	at("well", core.Live)
	proxy.Slow(4 * perTry)
	at("slow", core.Cached)
	proxy.Refuse()
	at("refused", core.Default)
	proxy.Pass()
	broken.Store(true)
	at("broken", core.Empty)
	broken.Store(false)
	at("well again", core.Live)

	// 1,000 callers at once, each with a key of its own, so that nothing is shared.
	proxy.Refuse()
	before, began := u.calls.Load(), time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if _, level, err := f.Get(ctx, fmt.Sprint("user-", i)); level == core.None || level == core.Live {
				t.Errorf("a caller got %v, %v", level, err)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	// The breaker opens after minCalls outcomes; what runs by then has one place
	// each; and each period lets one probe through.
	made, budget := u.calls.Load()-before, int64(minCalls+places+1+elapsed/(openFor*8/10))
	t.Logf("%d concurrent callers during the break made %d remote calls in %v; the budget is %d", callers, made, elapsed.Round(time.Millisecond), budget)
	if made > budget {
		t.Errorf("%d remote calls, more than the budget of %d", made, budget)
	}
	if s, _ := chain.State().Layer("breaker"); s.Breaker != policy.Open {
		t.Errorf("the breaker is %v", s.Breaker)
	}
	at("broken and open", core.Cached)

	proxy.Pass()
	healed := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		_, level, err := f.Get(ctx, "ann")
		if level == core.Live {
			break
		}
		if time.Since(healed) > openFor+tolerance {
			t.Fatalf("still %v, %v", level, err)
		}
		<-poll.C
	}
	t.Logf("live again %v after it healed; a period of the breaker is %v", time.Since(healed).Round(time.Millisecond), openFor)
	s := f.Stats()
	for _, l := range s.Levels {
		if l.Answers == 0 {
			t.Errorf("level %v never answered", l.Level)
		}
	}
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
}
