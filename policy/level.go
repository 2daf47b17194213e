package policy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/holdfast-go/holdfast/core"
)

// ErrRefused is a kind of error for [Fallback.On]: the host answered that nobody
// listens at that port. Any error of the network that says so is of this kind,
// on every system; nothing returns ErrRefused itself.
var ErrRefused = errors.New("connection refused")

// rung is one level below the live call.
type rung[V any] struct {
	level core.Level
	kinds []error // nil: every failure
	value V       // of the levels default and empty
}

// follows reports whether err of the live call leads to this level.
func (r rung[V]) follows(err error) bool {
	if r.kinds == nil {
		return leadsOn(err)
	}
	return slices.ContainsFunc(r.kinds, func(kind error) bool { return isKind(err, kind) })
}

// wants reports whether the level asked for exactly this kind.
func (r rung[V]) wants(kind error) bool { return slices.Contains(r.kinds, kind) }

// leadsOn reports whether an error leads to levels below by itself: a failure in
// the sense of [IsFailure], the refusal of a layer, or a cancellation that was not
// the caller's.
func leadsOn(err error) bool {
	return IsFailure(err) || isRefusal(err) || (errors.Is(err, context.Canceled) && !isAnswer(err))
}

// isKind is errors.Is that knows the errors of the network, too.
func isKind(err, kind error) bool {
	if errors.Is(err, kind) {
		return true
	}
	switch kind {
	case ErrRefused: //nolint:errorlint // which kind was asked for, not what kind an error is
		return isRefused(err)
	case context.DeadlineExceeded:
		return isTimeout(err)
	case core.ErrUnavailable:
		return !isAnswer(err) && !errors.Is(err, core.ErrThrottled) && isNetwork(err)
	}
	return false
}

// isNetwork reports whether err is of a network or a timeout. It does not ask for
// net.Error alone: url.Error is one, whatever it holds.
func isNetwork(err error) bool {
	if isTimeout(err) || isRefused(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	_, ok := errors.AsType[*os.SyscallError](err)
	return ok
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

func isRefused(err error) bool {
	// What Windows says (WSAECONNREFUSED) is not its syscall.ECONNREFUSED.
	const windows = syscall.Errno(10061)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windows)
}
