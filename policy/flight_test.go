package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

func TestFlight_CallersOfOneKeyShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		f := policy.Try(nil, func(_ context.Context, id string) (string, error) {
			time.Sleep(time.Second)
			return fmt.Sprint(id, calls.Add(1)), nil
		}).ThenEmpty().Must()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				key := string(rune('a' + i%2))
				if v, level, err := f.Get(t.Context(), key); level != core.Live || !strings.HasPrefix(v, key) {
					t.Errorf("%s: got %q, %v, %v", key, v, level, err)
				}
			})
		}
		wg.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls for 2 keys", n)
		}
		if v, _, _ := f.Get(t.Context(), "a"); v != "a3" {
			t.Errorf("a later caller got %q, want a call of its own", v)
		}
	})
}

func TestFlight_ACallersCancelDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := policy.Try(policy.Must(policy.Retry{}, policy.Timeout{}), func(ctx context.Context, _ string) (string, error) {
			select {
			case <-time.After(900 * time.Millisecond):
				return "late", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}).ThenDefault("default").Must()
		first, cancel := context.WithCancel(t.Context())
		hurried, cancelHurried := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancelHurried()
		var wg sync.WaitGroup
		ask := func(ctx context.Context, want string, level core.Level, kind error, after time.Duration) {
			wg.Go(func() {
				began := time.Now()
				v, l, err := f.Get(ctx, "a")
				if v != want || l != level || !errors.Is(err, kind) || time.Since(began) != after {
					t.Errorf("got %q, %v, %v after %v; want %q, %v after %v", v, l, err, time.Since(began), want, level, after)
				}
			})
			synctest.Wait()
		}
		ask(first, "", core.None, context.Canceled, 100*time.Millisecond)
		ask(hurried, "default", core.Default, nil, 500*time.Millisecond)
		ask(t.Context(), "late", core.Live, nil, 900*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		cancel()
		wg.Wait()
	})
}

func TestFlight_EndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("gone")
		ended := make(chan error, 1)
		store := memory.New()
		f := policy.Try(nil, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return "too late", nil
		}).ThenCached(store, "b").Must()
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _, _ = f.Get(ctx, "a") })
		}
		synctest.Wait()
		cancel(why)
		wg.Wait()
		if err := <-ended; !errors.Is(err, why) {
			t.Errorf("the call ended with %v; want %v", err, why)
		}
		synctest.Wait()
		if s := f.Stats().Cache; s.Entries != 0 {
			t.Error("an answer nobody waited for is remembered over newer ones")
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFlight_SeesTheValuesOfItsCallerButNotItsEnd(t *testing.T) {
	type traceID struct{}
	f := policy.Try(nil, func(ctx context.Context, _ string) (any, error) {
		if _, ok := ctx.Deadline(); ok {
			t.Error("the shared call has the deadline of one caller")
		}
		return ctx.Value(traceID{}), nil
	}).ThenEmpty().Must()
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), traceID{}, 7), time.Minute)
	defer cancel()
	if v, _, err := f.Get(ctx, "a"); v != 7 {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestFlight_APanicPassesThroughToEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		explode := true
		f := policy.Try(policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{}), func(context.Context, string) (string, error) {
			if explode {
				time.Sleep(time.Millisecond)
				panic(io.ErrNoProgress)
			}
			return "fine", nil
		}).ThenDefault("default").Must()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				defer func() {
					r := recover()
					p, ok := r.(*policy.PanicError)
					if !ok || !errors.Is(p, io.ErrNoProgress) || !strings.Contains(string(p.Stack), "TestFlight_APanic") {
						t.Errorf("panicked with %v", r)
					}
				}()
				_, level, err := f.Get(t.Context(), "a")
				t.Errorf("no panic, but %v, %v", level, err)
			})
		}
		wg.Wait()
		explode = false
		if v, level, err := f.Get(t.Context(), "a"); v != "fine" || level != core.Live {
			t.Errorf("afterwards: %q, %v, %v", v, level, err)
		}
	})
}

func TestFlight_GoexitPassesThrough(t *testing.T) {
	f := policy.Try(nil, func(context.Context, string) (string, error) {
		runtime.Goexit()
		return "", nil
	}).ThenDefault("default").Must()
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, _ = f.Get(t.Context(), "a")
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("the caller goes on")
	}
}

func TestFlight_CloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := policy.Try(nil, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}).ThenDefault("default").Must()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, level, err := f.Get(t.Context(), "a"); level != core.None || !errors.Is(err, core.ErrClosed) {
				t.Errorf("got %v, %v; want %v", level, err, core.ErrClosed)
			}
		})
		synctest.Wait()
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestFlight_CloseIsBoundedWhenACallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := policy.Try(nil, func(context.Context, string) (string, error) {
			<-release
			return "", nil
		}).ThenCached(memory.New(), "b").Must()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := f.Get(ctx, "a"); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		if err := f.Close(t.Context()); err == nil || time.Since(began) != 2*time.Second {
			t.Errorf("Close: %v after %v; want an error after 2s", err, time.Since(began))
		}
		close(release)
	})
}
