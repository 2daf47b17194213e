package policy

import (
	"context"
	"iter"

	"github.com/holdfast-go/holdfast/core"
)

// ConfigSource puts a chain around the Load of a source of configuration. A watch
// passes by, since it lives as long as its consumer wants, and so do the source's
// other abilities, which [core.As] finds through the guard.
//
// Errors are those of the source and of [Chain.Do]; that the deadline of ctx
// passed is a [core.ErrUnavailable], as it is of a driver. The guard is safe for
// concurrent use if src is. A nil src gives nil; a nil chain guards nothing.
func ConfigSource(src core.ConfigSource, c *Chain) core.ConfigSource {
	if src == nil || c == nil {
		return src
	}
	return &guardedSource{src: src, chain: c}
}

type guardedSource struct {
	src   core.ConfigSource
	chain *Chain
}

// Unwrap returns the source below, for [core.As].
func (g *guardedSource) Unwrap() any { return g.src }

func (g *guardedSource) Origin() string { return g.src.Origin() }

func (g *guardedSource) Load(ctx context.Context) (core.Snapshot[[]byte], error) {
	s, err := Call(ctx, g.chain, g.src.Load)
	return s, classified(ctx, "load", "", err)
}

func (g *guardedSource) Watch(ctx context.Context, after core.Revision) iter.Seq2[core.Update[[]byte], error] {
	return g.src.Watch(ctx, after)
}
