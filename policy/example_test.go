package policy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/failsafe-go/failsafe-go/fallback"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// The zero value of each layer is a good default.
func Example() {
	users := policy.Must(
		policy.Retry{},
		policy.Breaker{},
		policy.Timeout{After: time.Second},
	)
	name, err := policy.Call(context.Background(), users, func(ctx context.Context) (string, error) {
		deadline, ok := ctx.Deadline() // pass ctx on: the deadline reaches the wire
		return fmt.Sprintf("Ada, asked with a deadline: %v", ok && time.Until(deadline) <= time.Second), nil
	})
	fmt.Println(name, err)
	// Output: Ada, asked with a deadline: true <nil>
}

// New names the field, its value and the bound, or the right order.
func ExampleNew() {
	_, err := policy.New(policy.Retry{Delay: 2 * time.Second, MaxDelay: time.Second})
	fmt.Println(err)
	_, err = policy.New(policy.Breaker{}, policy.Retry{})
	fmt.Println(err)
	// Output:
	// policy: Retry.Delay is 2s; it must be at most MaxDelay, which is 1s
	// policy: Breaker stands outside of Retry: it would count a call whose tries all failed as one failure, and not stop the retries; the right order, outermost first, is Timeout (the call as a whole), Retry, Hedge, Breaker, RateLimit, Bulkhead, Timeout (one try)
}

// A call that fails is tried again; an answer is not.
func ExampleChain_Do() {
	chain := policy.Must(policy.Retry{MaxAttempts: 3, Delay: time.Millisecond})
	try := 0
	err := chain.Do(context.Background(), func(context.Context) error {
		try++
		if try < 3 {
			return errors.New("connection refused")
		}
		return nil
	})
	fmt.Println(try, err)

	try = 0
	err = chain.Do(context.Background(), func(context.Context) error {
		try++
		return fmt.Errorf("user 7: %w", core.ErrNotFound)
	})
	fmt.Println(try, err)
	// Output:
	// 3 <nil>
	// 1 user 7: not found
}

// With Abandon the caller is freed from a function that does not heed its ctx.
func ExampleCall() {
	chain := policy.Must(policy.Timeout{After: 10 * time.Millisecond, Abandon: true})
	stuck := make(chan struct{})
	_, err := policy.Call(context.Background(), chain, func(context.Context) (int, error) {
		<-stuck
		return 42, nil
	})
	fmt.Println(errors.Is(err, policy.ErrTimeout), errors.Is(err, core.ErrUnavailable))
	fmt.Println("still running:", chain.State().Layers[0].Abandoned)
	close(stuck)
	// Output:
	// true true
	// still running: 1
}

// An open breaker refuses at once.
func ExampleChain_State() {
	chain := policy.Must(policy.Retry{MaxAttempts: 1}, policy.Breaker{MinCalls: 2, OpenFor: time.Minute})
	for range 3 {
		err := chain.Do(context.Background(), func(context.Context) error { return errors.New("connection refused") })
		fmt.Println(err)
	}
	breaker, _ := chain.State().Layer("breaker")
	fmt.Printf("%v, failure rate %.0f %% of %d calls, %d rejected\n",
		breaker.Breaker, breaker.FailureRate*100, breaker.Calls, breaker.Rejected)
	// Output:
	// connection refused
	// connection refused
	// policy: breaker open
	// open, failure rate 100 % of 2 calls, 1 rejected
}

// Changes of the breaker's state go to the log, or wherever they are wanted.
func ExampleChain_OnChange() {
	chain := policy.Must(policy.Breaker{MinCalls: 1})
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "until" {
			return slog.Attr{}
		}
		return a
	}}))
	told := make(chan struct{})
	defer chain.OnChange(policy.LogTo(logger, "users"))()
	defer chain.OnChange(func(policy.Event) { close(told) })()
	_ = chain.Do(context.Background(), func(context.Context) error { return errors.New("connection refused") })
	<-told
	// Output: level=WARN msg="policy: breaker is open" chain=users from=closed to=open failure_rate=1 error="connection refused"
}

// Chains that share a budget retry only so much, all together.
func ExampleRetryBudget() {
	budget := &policy.RetryBudget{Ratio: 0.1}
	reads := policy.Must(policy.Retry{Delay: time.Microsecond, Budget: budget})
	writes := policy.Must(policy.Retry{Delay: time.Microsecond, Budget: budget})
	tries := 0
	down := func(context.Context) error { tries++; return core.ErrUnavailable }
	for range 50 {
		_ = reads.Do(context.Background(), down)
		_ = writes.Do(context.Background(), down)
	}
	fmt.Println("100 calls, at most 112 tries:", tries <= 112)
	// Output: 100 calls, at most 112 tries: true
}

// From puts any policy of failsafe-go into a chain.
func ExampleFrom() {
	chain := policy.Must(policy.From(fallback.NewWithResult[any]("Guest")), policy.Retry{MaxAttempts: 1})
	name, err := policy.Call(context.Background(), chain, func(context.Context) (string, error) {
		return "", core.ErrUnavailable
	})
	fmt.Println(name, err)
	// Output: Guest <nil>
}
