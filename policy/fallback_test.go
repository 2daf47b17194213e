package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

type profile struct {
	Name string
	Tags []string `json:",omitempty"`
}

// answering is a function that answers with a name, or fails with what is not nil.
func answering(err error) func(context.Context, string) (profile, error) {
	return func(_ context.Context, id string) (profile, error) { return profile{Name: id}, err }
}

var (
	guest   = profile{Name: "Guest"}
	refused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
)

func TestFallback_RefusesWhatCanNotWork(t *testing.T) {
	store := memory.New()
	try := func() *policy.Fallback[string, profile] { return policy.Try(nil, answering(nil)) }
	type opaque struct{ name string } //nolint:unused // that nobody can read it is the point
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"no function":           {policy.Try[string, profile](nil, nil).ThenEmpty().Err(), "needs a function"},
		"no level":              {try().Err(), "no level"},
		"default, cached":       {try().ThenDefault(guest).ThenCached(store, "b").Err(), "ThenCached after level default"},
		"empty, default":        {try().ThenEmpty().ThenDefault(guest).Err(), "ThenDefault after level empty"},
		"empty, cached":         {try().ThenEmpty().ThenCached(store, "b").Err(), "ThenCached after level empty"},
		"cached twice":          {try().ThenCached(store, "b").ThenCached(store, "c").Err(), "ThenCached twice"},
		"empty twice":           {try().ThenEmpty().ThenEmpty().Err(), "ThenEmpty twice"},
		"On first":              {try().On(core.ErrUnavailable).ThenEmpty().Err(), "On before any level"},
		"On without kinds":      {try().ThenEmpty().On().Err(), "without a kind"},
		"On nil":                {try().ThenEmpty().On(nil).Err(), "nil is no kind"},
		"On twice":              {try().ThenEmpty().On(io.EOF).On(io.EOF).Err(), "On twice for level empty"},
		"no store":              {try().ThenCached(nil, "b").Err(), "needs a store"},
		"no bucket":             {try().ThenCached(store, "").Err(), "name of a bucket"},
		"long bucket":           {try().ThenCached(store, strings.Repeat("b", 1025)).Err(), "1025 bytes"},
		"the engines' bucket":   {try().ThenCached(store, "holdfast/x").Err(), "the engines' own"},
		"two options":           {try().ThenCached(store, "b", policy.CacheOptions{}, policy.CacheOptions{}).Err(), "one CacheOptions"},
		"negative entries":      {try().ThenCached(store, "b", policy.CacheOptions{Entries: -1}).Err(), "Entries is -1"},
		"negative bytes":        {try().ThenCached(store, "b", policy.CacheOptions{Bytes: -1}).Err(), "Bytes is -1"},
		"age too short":         {try().ThenCached(store, "b", policy.CacheOptions{MaxAge: time.Millisecond}).Err(), "MaxAge is 1ms"},
		"OnChange nil":          {try().ThenEmpty().OnChange(nil).Err(), "OnChange needs"},
		"OnChange twice":        {try().ThenEmpty().OnChange(func(policy.LevelChange) {}).OnChange(func(policy.LevelChange) {}).Err(), "OnChange twice"},
		"an interface as key":   {tryTypes[any, int]().ThenEmpty().Err(), "can't be compared"},
		"a pointer as key":      {tryTypes[*int, int]().ThenCached(store, "b").Err(), "next process"},
		"a pointer in a key":    {tryTypes[struct{ P *int }, int]().ThenCached(store, "b").Err(), "next process"},
		"an address in private": {tryTypes[struct{ a netip.Addr }, int]().ThenCached(store, "b").Err(), "not exported"},
		"a channel":             {tryTypes[string, struct{ C chan int }]().ThenCached(store, "b").Err(), "can't be written as JSON"},
		"a function, deep":      {tryTypes[string, map[string][]*struct{ F func() }]().ThenCached(store, "b").Err(), "can't be written as JSON"},
		"an interface":          {tryTypes[string, struct{ R io.Reader }]().ThenCached(store, "b").Err(), "can't be read from JSON"},
		"a map key":             {tryTypes[string, map[float64]int]().ThenCached(store, "b").Err(), "can't be written as JSON"},
		"private fields alone":  {tryTypes[string, opaque]().ThenCached(store, "b").Err(), "without any of its fields"},
	} {
		if !errors.Is(row.err, core.ErrInvalid) || !strings.Contains(row.err.Error(), row.want) {
			t.Errorf("%s: got error %v; want %v that says %q", name, row.err, core.ErrInvalid, row.want)
		}
	}
	for name, err := range map[string]error{
		"all levels":          try().ThenCached(store, "b").On(io.EOF).ThenDefault(guest).On(core.ErrNotFound).ThenEmpty().Err(),
		"an address as key":   tryTypes[netip.AddrPort, int]().ThenCached(store, "b").Err(),
		"a struct as key":     tryTypes[struct{ Lat, Lon float64 }, time.Time]().ThenCached(store, "b").Err(),
		"a pointer, no cache": tryTypes[*int, chan int]().ThenEmpty().Err(),
		"own codec":           tryTypes[string, opaque]().ThenCached(store, "b", policy.CacheOptions{Codec: shouting{}}).Err(),
		"a recursive type":    tryTypes[string, tree]().ThenCached(store, "b").Err(),
	} {
		if err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}

type tree struct{ Below []*tree }

func tryTypes[K comparable, V any]() *policy.Fallback[K, V] {
	return policy.Try(nil, func(context.Context, K) (v V, err error) { return v, nil })
}

// shouting is a codec that reads what it wrote, for profiles.
type shouting struct{}

func (shouting) Marshal(v any) ([]byte, error) {
	p, ok := v.(profile)
	if !ok || p.Name == "unwritable" {
		return nil, errors.New("no profile")
	}
	return []byte(strings.ToUpper(p.Name)), nil
}

func (shouting) Unmarshal(data []byte, v any) error {
	p, ok := v.(*profile)
	if !ok || string(data) == "UNREADABLE" {
		return errors.New("no profile")
	}
	p.Name = string(data)
	return nil
}

func TestFallback_AWrongOneCallsNothing(t *testing.T) {
	f := policy.Try(nil, func(context.Context, string) (profile, error) {
		t.Error("called")
		return profile{}, nil
	})
	_, level, err := f.Get(t.Context(), "a")
	if level != core.None || !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v, %v; want none, %v", level, err, core.ErrInvalid)
	}
	if err := f.Close(t.Context()); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("Close: %v", err)
	}
	defer func() {
		if r := recover(); r == nil || fmt.Sprint(r) != f.Err().Error() {
			t.Errorf("Must panics with %v; want the text of Err", r)
		}
	}()
	f.Must()
}

func TestFallback_StepsLeaveTheirOriginAsItWas(t *testing.T) {
	base := policy.Try(nil, answering(io.EOF)).ThenDefault(guest)
	_ = base.On(core.ErrNotFound)
	_ = base.ThenEmpty().ThenEmpty()
	if _, level, err := base.Must().Get(t.Context(), "a"); level != core.Default {
		t.Errorf("got %v, %v; want default", level, err)
	}
}

func TestFallback_OnlyFailuresFallThrough(t *testing.T) {
	f := func(err error) *policy.Fallback[string, profile] {
		return policy.Try(nil, answering(err)).ThenDefault(guest).Must()
	}
	for _, err := range []error{
		core.ErrUnavailable, core.ErrThrottled, policy.ErrOpen, policy.ErrFull, policy.ErrLimited, policy.ErrTimeout,
		refused, io.ErrUnexpectedEOF, context.DeadlineExceeded, context.Canceled, errors.New("status 500"),
		&core.Error{Driver: "etcd", Op: "load", Kind: core.ErrUnavailable},
	} {
		if p, level, got := f(err).Get(t.Context(), "a"); level != core.Default || p.Name != guest.Name || got != nil {
			t.Errorf("%v: got %v, %v, %v; want default", err, p, level, got)
		}
	}
	for _, err := range []error{
		core.ErrNotFound, core.ErrDenied, core.ErrInvalid, core.ErrConflict, core.ErrClosed,
		fmt.Errorf("no user: %w", core.ErrNotFound),
	} {
		//nolint:errorlint // as it is
		if p, level, got := f(err).Get(t.Context(), "a"); level != core.None || p.Name != "" || got != err {
			t.Errorf("%v: got %v, %v, %v; want the error as it is", err, p, level, got)
		}
	}
}

func TestFallback_OnFollowsTheKind(t *testing.T) {
	// The worked example: timeout -> cache, refused -> default, all else -> empty.
	var fail error
	f := policy.Try(nil, func(_ context.Context, id string) (profile, error) { return profile{Name: id}, fail }).
		ThenCached(memory.New(), "profiles").On(context.DeadlineExceeded).
		ThenDefault(guest).On(policy.ErrRefused, core.ErrNotFound).
		ThenEmpty().Must()
	ctx := t.Context()
	if _, level, err := f.Get(ctx, "ann"); level != core.Live {
		t.Fatalf("live: %v, %v", level, err)
	}
	for _, row := range []struct {
		name string
		err  error
		key  string
		want core.Level
	}{
		{"a timeout of the chain", policy.ErrTimeout, "ann", core.Cached},
		{"a timeout of the net", &url.Error{Op: "Get", URL: "u", Err: os.ErrDeadlineExceeded}, "ann", core.Cached},
		{"a timeout, nothing cached", policy.ErrTimeout, "bob", core.Empty},
		{"refused", &url.Error{Op: "Get", URL: "u", Err: refused}, "ann", core.Default},
		{"refused on Windows", &net.OpError{Op: "dial", Err: os.NewSyscallError("connectex", syscall.Errno(10061))}, "ann", core.Default},
		{"asked for", core.ErrNotFound, "ann", core.Default},
		{"all else", errors.New("status 500"), "ann", core.Empty},
		{"breaker open", policy.ErrOpen, "ann", core.Empty},
		{"an answer", core.ErrDenied, "ann", core.None},
	} {
		fail = row.err
		if _, level, err := f.Get(ctx, row.key); level != row.want {
			t.Errorf("%s: got level %v, %v; want %v", row.name, level, err, row.want)
		}
	}
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestFallback_UnavailableIsEveryErrorOfTheNetwork(t *testing.T) {
	for err, want := range map[error]core.Level{
		error(refused):                        core.Default,
		&net.DNSError{Err: "no such host"}:    core.Default,
		io.EOF:                                core.Default,
		core.ErrUnavailable:                   core.Default,
		core.ErrThrottled:                     core.None,
		errors.New("status 500"):              core.None,
		&url.Error{Err: errors.New("scheme")}: core.None,
	} {
		_, level, got := policy.Try(nil, answering(err)).ThenDefault(guest).On(core.ErrUnavailable).Get(t.Context(), "a")
		if level != want {
			t.Errorf("%v: got %v, %v; want %v", err, level, got, want)
		}
	}
}

func TestFallback_TheErrorSaysWhatEachLevelSaid(t *testing.T) {
	broken := &moodyStore{fail: fmt.Errorf("disk gone: %w", core.ErrDenied)}
	f := policy.Try(nil, answering(refused)).ThenCached(broken, "b").ThenDefault(guest).On(core.ErrThrottled).Must()
	_, level, err := f.Get(t.Context(), "a")
	if level != core.None || err == nil {
		t.Fatalf("got %v, %v; want none and an error", level, err)
	}
	for _, want := range []string{"no level answered: live: dial tcp", "; cached: ", "disk gone", "; default: not for this kind"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	for _, kind := range []error{core.ErrUnavailable, core.ErrDenied, refused, syscall.ECONNREFUSED} {
		if !errors.Is(err, kind) {
			t.Errorf("%v is not found in %v", kind, err)
		}
	}
	if na, ok := errors.AsType[*policy.NoAnswerError](err); !ok || len(na.Levels) != 3 || na.Levels[1].Level != core.Cached {
		t.Errorf("got %#v", err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}

	// That nothing is cached must not look like an answer of the backend.
	g := policy.Try(nil, answering(io.EOF)).ThenCached(memory.New(), "b").Must()
	if _, _, err := g.Get(t.Context(), "a"); errors.Is(err, core.ErrNotFound) || !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("got %v; want unavailable, and not %v", err, core.ErrNotFound)
	}
	if s := g.Stats(); s.Unanswered != 1 || s.Level != core.None || s.Levels[1].Errors != 1 || s.Levels[1].Err == nil {
		t.Errorf("stats %+v", s)
	}
}

func TestFallback_ACallersCancelIsNeverAnswered(t *testing.T) {
	hang := func(ctx context.Context, _ string) (profile, error) {
		<-ctx.Done()
		return profile{}, context.Cause(ctx)
	}
	why := errors.New("the browser has gone")
	synctest.Test(t, func(t *testing.T) {
		f := policy.Try(policy.Must(policy.Retry{}, policy.Breaker{}, policy.Timeout{}), hang).ThenDefault(guest).Must()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(why) })
		if _, level, err := f.Get(ctx, "a"); level != core.None || err != why { //nolint:errorlint // as it is
			t.Errorf("got %v, %v; want %v", level, err, why)
		}
		if _, level, err := f.Get(ctx, "a"); level != core.None || err != why { //nolint:errorlint // as it is
			t.Errorf("cancelled before: got %v, %v; want %v", level, err, why)
		}
	})
}

func TestFallback_ACallersDeadlineIsAFailureOfTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := policy.Try(nil, func(ctx context.Context, _ string) (profile, error) {
			<-ctx.Done()
			return profile{}, context.Cause(ctx)
		}).ThenDefault(guest).On(core.ErrUnavailable).Must()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		for range 2 {
			a, err := f.Ask(ctx, "a")
			if a.Level != core.Default || !errors.Is(a.Cause, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("got %+v, %v after %v; want default after 1s", a, err, time.Since(began))
			}
		}
	})
}

func TestFallback_HostileKeysAreData(t *testing.T) {
	store := memory.New()
	fail := error(nil)
	f := policy.Try(nil, func(_ context.Context, id string) (profile, error) { return profile{Name: id}, fail }).
		ThenCached(store, "../b\x00").Must()
	long := strings.Repeat("k", 5000)
	keys := []string{"", "../../etc/passwd", "a\x00b", "\xff\xfe", "#", "#a", strings.Repeat("x", 300), strings.Repeat("x", 513), long, long + "l", "ключ", `"`, "a\nb"}
	for _, key := range keys {
		if _, level, err := f.Get(t.Context(), key); level != core.Live {
			t.Fatalf("%q: %v, %v", key, level, err)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	fail = io.EOF
	g := policy.Try(nil, func(context.Context, string) (profile, error) { return profile{}, io.EOF }).ThenCached(store, "../b\x00").Must()
	for _, key := range keys {
		p, level, err := g.Get(t.Context(), key)
		// JSON replaces what is no UTF-8 in the value; the key must not suffer.
		if level != core.Cached || p.Name != strings.ToValidUTF8(key, "\ufffd") && key != "\xff\xfe" {
			t.Errorf("%.20q: got %.20q, %v, %v", key, p.Name, level, err)
		}
	}
	if s := g.Stats().Cache; s.Entries != len(keys) || s.Corrupt != 0 {
		t.Errorf("%+v; want %d entries", s, len(keys))
	}
}

type celsius float64

func TestFallback_KeysOfAnyType(t *testing.T) {
	keyTwins(t, 1, 2, 1)
	keyTwins(t, true, false, true)
	keyTwins(t, uint8(1), uint8(2), uint8(1))
	keyTwins(t, celsius(0), celsius(1), celsius(math.Copysign(0, -1)))
	keyTwins(t, [2]string{"a", "b,c"}, [2]string{"a,b", "c"}, [2]string{"a", "b,c"})
	keyTwins(t, struct{ A, B string }{"a", `","`}, struct{ A, B string }{`a","`, ""}, struct{ A, B string }{"a", `","`})
	keyTwins(t, netip.MustParseAddr("::1"), netip.MustParseAddr("::2"), netip.MustParseAddr("::1"))
	keyTwins(t, struct{ a int }{1}, struct{ a int }{2}, struct{ a int }{1})
	keyTwins(t, complex(1, 2), complex(2, 1), complex(1, 2))
}

// keyTwins says that a and twin are one key, and b another, for the next process.
func keyTwins[K comparable](t *testing.T, a, b, twin K) {
	t.Helper()
	store := memory.New()
	f := policy.Try(nil, func(_ context.Context, k K) (bool, error) { return k == a, nil }).ThenCached(store, "b").Must()
	for _, k := range []K{a, b} {
		if _, level, err := f.Get(t.Context(), k); level != core.Live {
			t.Fatalf("%v: %v, %v", k, level, err)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := policy.Try(nil, func(context.Context, K) (bool, error) { return false, io.EOF }).ThenCached(store, "b").Must()
	for k, want := range map[K]bool{twin: true, b: false} {
		if got, level, err := g.Get(t.Context(), k); level != core.Cached || got != want {
			t.Errorf("%T %v: got %v, %v, %v; want %v, cached", k, k, got, level, err, want)
		}
	}
}

func TestFallback_NaNIsNoKeyToShare(t *testing.T) {
	f := policy.Try(nil, func(context.Context, float64) (int, error) { return 1, nil }).ThenEmpty().Must()
	for range 3 {
		if _, level, err := f.Get(t.Context(), math.NaN()); level != core.Live {
			t.Errorf("%v, %v", level, err)
		}
	}
}
