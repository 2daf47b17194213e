package policy

import "fmt"

// PanicError is what a caller panics with when the function panicked on a
// goroutine of a layer ([Hedge], and [Timeout] with Abandon) or of a [Fallback]: a
// panic can't travel from one goroutine to another and keep its stack. Everywhere else a
// panic passes through untouched.
type PanicError struct {
	Value any    // what the function panicked with
	Stack []byte // of the goroutine that panicked, as [runtime/debug.Stack] gives it
}

// Error gives the value and the stack: it is what the runtime prints.
func (e *PanicError) Error() string { return fmt.Sprintf("%v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the value, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
