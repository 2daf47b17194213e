package drivertest_test

import (
	"context"
	"iter"

	"github.com/holdfast-go/holdfast/core"
)

type (
	configSeq  = iter.Seq2[core.Update[[]byte], error]
	configSnap = core.Snapshot[[]byte]
	loadFunc   = func(context.Context) (configSnap, error)
	watchFunc  = func(context.Context, core.Revision) configSeq
)

// brokenSource is a source of configuration with some of its methods replaced.
type brokenSource struct {
	core.ConfigSource
	origin  func() string
	load    loadFunc
	watch   watchFunc
	compare func(a, b core.Revision) (int, bool)
}

func (s *brokenSource) Origin() string {
	if s.origin != nil {
		return s.origin()
	}
	return s.ConfigSource.Origin()
}

func (s *brokenSource) Load(ctx context.Context) (configSnap, error) {
	if s.load != nil {
		return s.load(ctx)
	}
	return s.ConfigSource.Load(ctx)
}

func (s *brokenSource) Watch(ctx context.Context, after core.Revision) configSeq {
	if s.watch != nil {
		return s.watch(ctx, after)
	}
	return s.ConfigSource.Watch(ctx, after)
}

func (s *brokenSource) Compare(a, b core.Revision) (int, bool) {
	if s.compare != nil {
		return s.compare(a, b)
	}
	return s.ConfigSource.(core.Comparer).Compare(a, b)
}

// each makes a watch that hands every pair to f, whose yield it passes on.
func each(good watchFunc, f func(u core.Update[[]byte], err error, yield func(core.Update[[]byte], error) bool) bool) watchFunc {
	return func(ctx context.Context, after core.Revision) configSeq {
		return func(yield func(core.Update[[]byte], error) bool) {
			for u, err := range good(ctx, after) {
				if !f(u, err, yield) {
					return
				}
			}
		}
	}
}
