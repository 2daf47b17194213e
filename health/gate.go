package health

import (
	"context"

	"github.com/holdfast-go/holdfast/core"
)

// Gate returns a function for holdfast.Options.Gate, which asks the group at each
// beat: peers see the instance down while the group is. Without it what is
// announced does not depend on checks.
func (s *Set) Gate(group string) func(ctx context.Context) core.Status {
	return func(ctx context.Context) core.Status {
		if s.Group(ctx, group).Status == Down {
			return core.StatusDown
		}
		return core.StatusUp
	}
}
