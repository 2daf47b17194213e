package holdfast

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// lateRegistry tells one more thing after its ctx ended.
type lateRegistry struct {
	core.Registry
	release chan struct{}
}

func (l *lateRegistry) Origin() string { return "late" }

func (l *lateRegistry) Discover(context.Context, string) (core.Snapshot[core.Instance], error) {
	return core.Snapshot[core.Instance]{Revision: "1"}, nil
}

func (l *lateRegistry) Watch(ctx context.Context, _ string, _ core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return func(yield func(core.Update[core.Instance], error) bool) {
		<-l.release
		if yield(core.Update[core.Instance]{Revision: "2"}, nil) {
			yield(core.Update[core.Instance]{}, context.Cause(ctx))
		}
	}
}

func TestDiscovery_WhatADriverTellsAfterCloseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &lateRegistry{release: make(chan struct{})}
		d := discover(t, reg, DiscoveryOptions{})
		e := d.Endpoints("inventory")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Close(ctx); err == nil {
			t.Error("Close does not say that the driver holds it up")
		}
		close(reg.release)
		synctest.Wait()
		if st := e.Status(); st.Level != core.Memory || !errors.Is(st.Err, core.ErrClosed) {
			t.Errorf("after Close: level %v, Err %v; want memory and that it is closed", st.Level, st.Err)
		}
		if err := e.WaitLevel(t.Context(), core.Live); !errors.Is(err, core.ErrClosed) {
			t.Errorf("WaitLevel after Close: %v", err)
		}
	})
}
