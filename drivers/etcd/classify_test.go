package etcd

import (
	"context"
	"errors"
	"io"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
)

func TestKind_OfWhatEtcdSays(t *testing.T) {
	for _, row := range []struct{ err, want error }{
		{rpctypes.ErrCompacted, core.ErrRevisionGone},
		{rpctypes.ErrGRPCCompacted, core.ErrRevisionGone},
		{rpctypes.ErrFutureRev, core.ErrRevisionGone},
		{rpctypes.ErrGRPCRequestTooManyRequests, core.ErrThrottled},
		{rpctypes.ErrGRPCRequestTooLarge, core.ErrInvalid},
		{rpctypes.ErrGRPCTooManyOps, core.ErrInvalid},
		{rpctypes.ErrGRPCNoSpace, core.ErrDenied},
		{rpctypes.ErrGRPCCorrupt, core.ErrDenied},
		{rpctypes.ErrGRPCAuthFailed, core.ErrDenied},
		{rpctypes.ErrGRPCPermissionDenied, core.ErrDenied},
		{rpctypes.ErrGRPCUserEmpty, core.ErrDenied},
		{errors.New(rpctypes.ErrGRPCPermissionDenied.Error()), core.ErrDenied}, // why a watch is refused
		{rpctypes.ErrGRPCInvalidAuthToken, core.ErrUnavailable},
		{rpctypes.ErrGRPCNoLeader, core.ErrUnavailable},
		{rpctypes.ErrGRPCLeaderChanged, core.ErrUnavailable},
		{rpctypes.ErrGRPCTimeout, core.ErrUnavailable},
		{rpctypes.ErrGRPCLeaseNotFound, core.ErrNotFound},
		{status.Error(codes.Unavailable, "connection refused"), core.ErrUnavailable},
		{status.Error(codes.Internal, "stream terminated"), core.ErrUnavailable},
		{status.Error(codes.PermissionDenied, "proxy"), core.ErrDenied},
		{status.Error(codes.ResourceExhausted, "proxy"), core.ErrThrottled},
		{context.DeadlineExceeded, core.ErrUnavailable},
		{io.EOF, core.ErrUnavailable},
	} {
		if got := kind(row.err); got != row.want { //nolint:errorlint // the kind itself
			t.Errorf("%v: got %v, want %v", row.err, got, row.want)
		}
	}
}

func TestCompare_IsByNumber(t *testing.T) {
	for _, row := range []struct {
		a, b core.Revision
		n    int
		ok   bool
	}{
		{"9", "10", -1, true}, {"10", "9", 1, true}, {"7", "7", 0, true},
		{"", "7", 0, false}, {"7", "x", 0, false}, {"07", "7", 0, false}, {"-1", "7", 0, false}, {"0", "7", 0, false},
	} {
		if n, ok := (revisions{}).Compare(row.a, row.b); n != row.n || ok != row.ok {
			t.Errorf("Compare(%q, %q) = %d, %v", row.a, row.b, n, ok)
		}
	}
}
