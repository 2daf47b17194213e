package policy

import (
	"context"
	"sync/atomic"
)

// Chain runs calls through its layers. It is safe for concurrent use, and meant
// to be shared by all calls to one backend. A nil *Chain is usable and adds
// nothing.
type Chain struct {
	steps    []step
	bell     bell
	begun    atomic.Int64 // calls; two counters, because a third for those in flight would cost more
	returned atomic.Int64
}

// New returns a chain of layers, the outermost first. An error is a
// [core.ErrInvalid] and names the field, its value and the bound, or the right
// order. Without layers the chain adds nothing but its counters.
//
// Layers are read once: changing one afterwards changes nothing. The same layer
// given to two chains makes two of it that share nothing; only a [RetryBudget]
// is shared.
func New(layers ...Layer) (*Chain, error) {
	if err := checkOrder(layers); err != nil {
		return nil, err
	}
	for _, l := range layers {
		if err := l.check(); err != nil {
			return nil, err
		}
	}
	if err := checkTimes(layers); err != nil {
		return nil, err
	}
	c := &Chain{}
	p := &plan{chain: c}
	for _, l := range layers {
		c.steps = append(c.steps, l.build(p))
	}
	return c, nil
}

// Must is like [New], for chains that are written into the program: it panics
// with the text of New's error.
func Must(layers ...Layer) *Chain {
	c, err := New(layers...)
	if err != nil {
		panic(err.Error())
	}
	return c
}

// Do calls fn through the layers. The ctx that fn gets carries the deadline of
// [Timeout] layers and is cancelled when Do no longer wants the outcome; fn
// should pass it on to whatever it calls. fn may be called several times, one
// after the other ([Retry]) or at once ([Hedge]), or not at all.
//
// Do returns fn's last error as it is; a refusal ([ErrOpen], [ErrFull],
// [ErrLimited]), joined with the failure of the try before it, if there was
// one; or an [ErrTimeout] joined with what fn returned. If ctx has ended before
// fn is called, it is context.Cause(ctx).
//
// A function that may be abandoned or hedged must not write to variables of its
// caller, who may have gone on: use [Call].
func (c *Chain) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if c == nil {
		return fn(ctx)
	}
	return c.do(ctx, plain(fn))
}

// Call is [Chain.Do] for functions that return a value. With an error the value
// is the zero value. A nil chain calls fn and returns what it returns.
func Call[T any](ctx context.Context, c *Chain, fn func(ctx context.Context) (T, error)) (T, error) {
	if c == nil {
		return fn(ctx)
	}
	r := &valued[T]{fn: fn}
	if err := c.do(ctx, r); err != nil {
		return *new(T), err
	}
	return r.v, nil
}

func (c *Chain) do(ctx context.Context, r runner) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.begun.Add(1)
	defer c.returned.Add(1)
	return run(ctx, c.steps, r)
}
