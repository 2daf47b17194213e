package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func ExampleTry() {
	type Profile struct{ Name string }
	away := false
	get := func(_ context.Context, id string) (Profile, error) {
		switch {
		case away:
			return Profile{}, syscall.ECONNREFUSED
		case id == "nobody":
			return Profile{}, fmt.Errorf("%w: no user %q", core.ErrNotFound, id)
		}
		return Profile{Name: strings.ToUpper(id)}, nil
	}
	chain := policy.Must(policy.Breaker{}, policy.Timeout{After: time.Second})
	store := memory.New() // file.New(dir, file.Options{}) survives a restart

	profiles := policy.Try(chain, get).
		ThenCached(store, "profiles").
		ThenDefault(Profile{Name: "Guest"}).
		ThenEmpty()
	if err := profiles.Err(); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer func() { _ = profiles.Close(ctx) }()

	for _, id := range []string{"ann", "nobody"} {
		p, level, err := profiles.Get(ctx, id)
		fmt.Println(p.Name, level, err)
	}
	away = true
	for _, id := range []string{"ann", "bob"} {
		p, level, err := profiles.Get(ctx, id)
		fmt.Println(p.Name, level, err)
	}
	// Output:
	// ANN live <nil>
	//  none not found: no user "nobody"
	// ANN cached <nil>
	// Guest default <nil>
}

// A wrong order is refused when the fallback is built, before any call.
func ExampleFallback_Err() {
	get := func(context.Context, string) (int, error) { return 0, nil }
	fmt.Println(policy.Try(nil, get).ThenDefault(1).ThenCached(memory.New(), "numbers").Err())
	// Output: policy: fallback: ThenCached after level default; the order is ThenCached, ThenDefault, ThenEmpty: invalid
}

// A service of profiles is slowed, refused, broken and healed. A timeout leads to
// the cache, a refused connection to the default, anything else to nothing. While
// the breaker is open the cache answers, and 1,000 callers at once hardly reach
// the server.
func ExampleFallback_On() {
	var mode atomic.Value
	mode.Store("well")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch mode.Load() {
		case "slow":
			<-r.Context().Done()
		case "broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = fmt.Fprintf(w, `{"Name":"Ann"}`)
		}
	})
	server := httptest.NewServer(handler)
	address := server.Listener.Addr().String()
	u := &users{base: server.URL, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}

	const openFor = time.Second
	chain := policy.Must(
		policy.Breaker{MinCalls: 5, OpenFor: openFor},
		policy.Bulkhead{MaxConcurrent: 20},
		policy.Timeout{After: 500 * time.Millisecond},
	)
	profiles := policy.Try(chain, u.Get).
		ThenCached(memory.New(), "profiles").On(context.DeadlineExceeded, policy.ErrOpen).
		ThenDefault(profile{Name: "Guest"}).On(policy.ErrRefused).
		ThenEmpty().Must()
	ctx := context.Background()
	defer func() { _ = profiles.Close(ctx) }()
	say := func(what string) {
		p, level, err := profiles.Get(ctx, "ann")
		fmt.Printf("%s: %q %v %v\n", what, p.Name, level, err)
	}

	say("well")
	mode.Store("slow")
	say("slow")
	mode.Store("broken")
	say("broken")
	server.Close()
	say("refused")

	before := u.calls.Load()
	answered := make(chan core.Level)
	for i := range 1000 {
		go func() {
			_, level, _ := profiles.Get(ctx, fmt.Sprint("user", i))
			answered <- level
		}()
	}
	for range 1000 {
		if level := <-answered; level == core.None {
			fmt.Println("a caller got nothing")
		}
	}
	fmt.Println("1000 callers made at most 30 calls:", u.calls.Load()-before <= 30)
	say("open")

	mode.Store("well")
	healed, err := serveAt(address, handler)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer healed.Close()
	<-time.After(openFor)
	say("one period later")
	// Output:
	// well: "Ann" live <nil>
	// slow: "Ann" cached <nil>
	// broken: "" empty <nil>
	// refused: "Guest" default <nil>
	// 1000 callers made at most 30 calls: true
	// open: "Ann" cached <nil>
	// one period later: "Ann" live <nil>
}

// serveAt serves at an address that was used a moment ago.
func serveAt(address string, handler http.Handler) (*httptest.Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, errors.Join(errors.New("the port was taken meanwhile"), err)
	}
	s := httptest.NewUnstartedServer(handler)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	return s, nil
}
