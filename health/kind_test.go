package health

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestKind_TellsNothingOfWhereAndWhat(t *testing.T) {
	for want, err := range map[string]error{
		"":            nil,
		"error":       errBroken,
		"timeout":     fmt.Errorf("db at 10.0.0.1: %w", context.DeadlineExceeded),
		"panic":       &panicked{what: "with a string"},
		"unavailable": &core.Error{Driver: "etcd", Op: "load", Kind: core.ErrUnavailable, Err: context.DeadlineExceeded},
		"denied":      fmt.Errorf("user bob: %w", core.ErrDenied),
	} {
		if got := Kind(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if got := Kind(timeout{}); got != "timeout" || !errors.Is(timeout{}, context.DeadlineExceeded) {
		t.Errorf("got %q", got)
	}
}

func TestStatus_IsWrittenInCapitals(t *testing.T) {
	for s, want := range map[Status]string{Unknown: "UNKNOWN", Up: "UP", Down: "DOWN", 9: "STATUS(9)"} {
		if text, err := s.MarshalText(); err != nil || string(text) != want {
			t.Errorf("got %s, %v; want %s", text, err, want)
		}
	}
}
