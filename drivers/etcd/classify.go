package etcd

import (
	"context"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/core"
)

// driver is what errors and origins call this driver.
const driver = "etcd"

// fail makes the error that a caller sees of what a call returned, as the package
// comment of core has it: the caller's own cancel as it is, everything else as a
// [*core.Error].
func (c *Client) fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	if done, ok := errors.AsType[*core.Error](err); ok {
		return done
	}
	if c.ctx.Err() != nil {
		return &core.Error{Driver: driver, Op: op, Key: key, Kind: core.ErrClosed}
	}
	// An answer that came in time says more than the deadline that passed since.
	known := etcdError(err)
	if ctx.Err() != nil && known == nil {
		return &core.Error{Driver: driver, Op: op, Key: key, Kind: core.ErrUnavailable, Err: context.Cause(ctx)}
	}
	k := kind(err)
	if errors.Is(k, core.ErrUnavailable) && known == nil && !c.connected() {
		if trouble := c.tls.trouble(); trouble != nil {
			k, err = core.ErrDenied, trouble
		}
	}
	if known != nil {
		err = known
		if c.auth.hopeless(known) {
			k = core.ErrDenied
		}
	}
	return &core.Error{Driver: driver, Op: op, Key: key, Kind: k, Err: err}
}

// etcdError finds the error value of etcd that err carries; nil if it carries
// none and so did not come from a member that answered.
func etcdError(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[rpctypes.EtcdError](rpctypes.Error(err)); ok {
		return known
	}
	// A watch refused by the server says why in the text of a status error, which
	// clientv3 hands on as a plain error (rpctypes.Error knows its message alone).
	for _, refused := range []error{
		rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCAuthOldRevision,
		rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCCompacted,
	} {
		if err.Error() == refused.Error() {
			return rpctypes.Error(refused)
		}
	}
	return nil
}

// kind classifies an error of clientv3 or gRPC by its value, and by its code only
// where it has no value.
func kind(err error) error {
	if err == nil {
		return nil
	}
	if done, ok := errors.AsType[*core.Error](err); ok {
		return done.Kind
	}
	known := etcdError(err)
	switch {
	case known == nil:
		return kindOfCode(status.Code(err))
	case oneOf(known, rpctypes.ErrCompacted, rpctypes.ErrFutureRev):
		return core.ErrRevisionGone
	case oneOf(known, rpctypes.ErrTooManyRequests):
		return core.ErrThrottled
	case oneOf(known, rpctypes.ErrNoSpace, rpctypes.ErrCorrupt,
		rpctypes.ErrAuthFailed, rpctypes.ErrPermissionDenied, rpctypes.ErrPermissionNotGranted,
		rpctypes.ErrUserEmpty, rpctypes.ErrUserNotFound, rpctypes.ErrRoleNotGranted, rpctypes.ErrRoleNotFound,
		rpctypes.ErrAuthNotEnabled, rpctypes.ErrInvalidAuthMgmt, rpctypes.ErrNotCapable, rpctypes.ErrClusterIDMismatch):
		return core.ErrDenied
	case oneOf(known, rpctypes.ErrLeaseNotFound, rpctypes.ErrKeyNotFound):
		return core.ErrNotFound
	case oneOf(known, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision):
		return core.ErrUnavailable // a new token is fetched for the next call
	}
	if e, ok := errors.AsType[rpctypes.EtcdError](known); ok {
		return kindOfCode(e.Code())
	}
	return core.ErrUnavailable
}

// kindOfCode classifies what no error value of etcd is known for: trouble of the
// transport, or a proxy's own answer.
func kindOfCode(code codes.Code) error {
	switch code {
	case codes.PermissionDenied, codes.Unauthenticated, codes.DataLoss, codes.Unimplemented:
		return core.ErrDenied
	case codes.InvalidArgument, codes.OutOfRange:
		return core.ErrInvalid
	case codes.ResourceExhausted:
		return core.ErrThrottled
	default:
		return core.ErrUnavailable
	}
}

func oneOf(err error, values ...error) bool {
	return slices.ContainsFunc(values, func(v error) bool { return errors.Is(err, v) })
}
