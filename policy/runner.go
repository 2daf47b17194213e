package policy

import (
	"context"
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

// runner is the function of the user, and where its value goes. Steps pass it
// on as an interface because a closure around the function would cost two
// allocations more.
type runner interface {
	run(ctx context.Context) error
	// fork returns a try whose runner has a place of its own for the value, so that
	// it may still run when the caller has gone on.
	fork() *try
	// adopt takes the value of a fork.
	adopt(fork runner)
	// value and set give and take the value for policies of failsafe-go.
	value() any
	set(v any) error
}

// plain is a function without a value.
type plain func(ctx context.Context) error

func (p plain) run(ctx context.Context) error { return p(ctx) }
func (p plain) fork() *try                    { return &try{runner: p} }
func (p plain) adopt(runner)                  {}
func (p plain) value() any                    { return nil }
func (p plain) set(any) error                 { return nil }

// valued is a function with a value.
type valued[T any] struct {
	fn func(ctx context.Context) (T, error)
	v  T
}

func (r *valued[T]) run(ctx context.Context) error {
	v, err := r.fn(ctx)
	r.v = v
	return err
}

func (r *valued[T]) fork() *try {
	f := &struct { // in one piece: an allocation less
		try
		valued[T]
	}{}
	f.fn = r.fn
	f.runner = &f.valued
	return &f.try
}

func (r *valued[T]) adopt(fork runner) {
	if f, ok := fork.(*valued[T]); ok {
		r.v = f.v
	}
}

func (r *valued[T]) value() any { return r.v }

func (r *valued[T]) set(v any) error {
	if v == nil {
		r.v = *new(T)
		return nil
	}
	t, ok := v.(T)
	if !ok {
		return &compound{core.ErrInvalid, fmt.Errorf("policy: a policy of failsafe-go returned a %T; the call returns a %T", v, r.v)}
	}
	r.v = t
	return nil
}
