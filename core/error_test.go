package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

func TestError_UnwrapsToKindAndCause(t *testing.T) {
	cause := errors.New("cause")
	for _, row := range []struct {
		err         core.Error
		text        string
		kind, cause bool
	}{
		{core.Error{Driver: "etcd", Op: "load"}, "etcd: load", false, false},
		{core.Error{Driver: "etcd", Op: "load", Kind: core.ErrUnavailable}, "etcd: load: unavailable", true, false},
		{core.Error{Driver: "etcd", Op: "load", Key: "a/b", Err: cause}, "etcd: load a/b: cause", false, true},
		{core.Error{Driver: "etcd", Op: "load", Key: "a", Kind: core.ErrUnavailable, Err: cause}, "etcd: load a: unavailable: cause", true, true},
	} {
		err := fmt.Errorf("above: %w", &row.err)
		if got := row.err.Error(); got != row.text {
			t.Errorf("text is %q; want %q", got, row.text)
		}
		if got := errors.Is(err, core.ErrUnavailable); got != row.kind {
			t.Errorf("%v is ErrUnavailable: %v; want %v", err, got, row.kind)
		}
		if got := errors.Is(err, cause); got != row.cause {
			t.Errorf("%v is its cause: %v; want %v", err, got, row.cause)
		}
		if errors.Is(err, core.ErrDenied) {
			t.Errorf("%v is ErrDenied", err)
		}
		if e, ok := errors.AsType[*core.Error](err); !ok || e.Op != "load" {
			t.Errorf("%v holds no *core.Error", err)
		}
	}
}

func TestError_KeyBreaksNoLog(t *testing.T) {
	for _, key := range []string{"a\nb", "nul\x00", "\xff\xfe", "esc\x1b[31m", strings.Repeat("long", 1000), strings.Repeat("é", 500)} {
		text := (&core.Error{Driver: "d", Op: "o", Key: key}).Error()
		if strings.ContainsAny(text, "\n\x00\x1b") || !utf8.ValidString(text) || len(text) > 1100 {
			t.Errorf("the text for the key %.20q breaks a log: %q", key, text)
		}
	}
	if got := (&core.Error{Driver: "d", Op: "o", Key: "ключ/键"}).Error(); got != "d: o ключ/键" {
		t.Errorf("a readable key is not shown as it is: %q", got)
	}
}

func ExampleError() {
	err := error(&core.Error{
		Driver: "etcd", Op: "load", Key: "/config/orders/",
		Kind: core.ErrUnavailable, Err: context.DeadlineExceeded,
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, core.ErrUnavailable), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// etcd: load /config/orders/: unavailable: context deadline exceeded
	// true true
}
