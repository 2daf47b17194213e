package health

import (
	"errors"
	"log/slog"
)

// Change is a check that is no longer as it was: its Status or Degraded differ.
type Change struct {
	// From and To are the states before and after. From.Status is [Unknown] at the
	// first outcome of a check.
	From, To *State
}

// Name is the name of the check.
func (c Change) Name() string { return c.To.Name }

// log writes one line. A check that is well from the start is nothing to tell of.
func (c Change) log(l *slog.Logger) {
	tell := l.Info
	switch {
	case c.To.Status == Down && !c.To.Optional:
		tell = l.Error
	case c.To.Status == Down || c.To.Degraded:
		tell = l.Warn
	case c.From.Status == Unknown:
		tell = l.Debug
	}
	attrs := []any{"check", c.To.Name, "status", c.To.Status.String(), "degraded", c.To.Degraded, "was", c.From.Status.String()}
	if len(c.To.Reasons) > 0 {
		attrs = append(attrs, "reasons", c.To.Reasons)
	}
	if c.To.Err != nil {
		attrs = append(attrs, "error", c.To.Err.Error())
	}
	if p, ok := errors.AsType[*panicked](c.To.Err); ok && p.stack != "" {
		attrs = append(attrs, "stack", p.stack)
	}
	tell("holdfast: health", attrs...)
}
