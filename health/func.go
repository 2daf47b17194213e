package health

import (
	"context"
	"errors"
)

var errNoFunction = errors.New("its function is nil")

// Func makes a check of a function: nil means UP. The limit of one run is 1 s
// unless [CheckOptions] say otherwise.
func Func(name string, check func(ctx context.Context) error) Checker {
	if check == nil {
		return function{name: name}
	}
	return function{name, func(ctx context.Context) Result { return Result{Err: check(ctx)} }}
}

// ResultFunc makes a check of a function that has more to say than an error. The
// limit of one run is 1 s unless [CheckOptions] say otherwise.
func ResultFunc(name string, check func(ctx context.Context) Result) Checker {
	return function{name, check}
}

type function struct {
	name  string
	check func(ctx context.Context) Result
}

func (f function) Name() string                     { return f.name }
func (f function) Check(ctx context.Context) Result { return f.check(ctx) }

func (f function) mistake() error {
	if f.check == nil {
		return errNoFunction
	}
	return nil
}
