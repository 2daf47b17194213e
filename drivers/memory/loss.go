package memory

import (
	"context"
	"errors"

	"github.com/holdfast-go/holdfast/core"
)

// AwaitLoss implements [core.LossAwaiter].
func (r *Registry) AwaitLoss(ctx context.Context, reg core.Registration) error {
	const op = "await loss"
	service, id := reg.Instance.Service, reg.Instance.ID
	if service == "" || id == "" || reg.Owner == "" {
		return failure(op, id, core.ErrInvalid, errors.New("ID, Service and Owner are needed"))
	}
	lost := func(e *entry) error {
		switch {
		case e == nil, e.bad != nil:
			return failure(op, id, core.ErrNotFound, nil)
		case e.owner != reg.Owner:
			return failure(op, id, core.ErrConflict, errors.New("another owner took it"))
		}
		return nil
	}

	var loss error
	var after core.Revision
	start, cancel := r.backend.bounded(ctx)
	defer cancel()
	err := r.backend.call(start, op, id, reading, func() error {
		after = r.backend.history.revision(r.backend.history.newest)
		loss = lost(r.backend.entries[service][id])
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if loss != nil {
		return loss
	}
	match := func(c change) bool { return c.service == service && c.key == id }
	err = r.backend.follow(ctx, id, after, match, func(_ core.Revision, changes []change) bool {
		for _, c := range changes {
			loss = lost(c.entry)
		}
		return loss == nil
	})
	if err == nil {
		return loss
	}
	if errors.Is(err, core.ErrRevisionGone) {
		return failure(op, id, core.ErrUnavailable, err)
	}
	return err
}
