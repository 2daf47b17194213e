package policy

import (
	"context"
	"errors"

	"github.com/holdfast-go/holdfast/core"
)

// classified makes what a chain returned the error of a driver: a deadline that
// passed while the chain waited, or abandoned the driver, has not been classified
// by anybody. The caller's own cancel stays as it is, and so does what the driver
// or a layer said.
func classified(ctx context.Context, op, key string, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return &core.Error{Driver: "policy", Op: op, Key: key, Kind: core.ErrUnavailable, Err: err}
}
