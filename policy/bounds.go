package policy

import (
	"cmp"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// longest bounds every duration of a layer: what is longer is a slip of units.
const longest = 24 * time.Hour

// refuse makes the error of New.
func refuse(format string, args ...any) error {
	return &sentinel{"policy: " + fmt.Sprintf(format, args...), []error{core.ErrInvalid}}
}

// within checks a field that is 0 for its default, and otherwise must lie
// between two bounds. Whatever is not comparable (NaN) lies outside.
func within[T cmp.Ordered](field string, v, low, high T) error {
	var zero T
	if v == zero || v >= low && v <= high {
		return nil
	}
	return refuse("%s is %v; it must be between %v and %v, or 0 for the default", field, v, low, high)
}

// atMost checks a field that may be 0 and must not exceed a bound.
func atMost[T cmp.Ordered](field string, v, high T) error {
	var zero T
	if v >= zero && v <= high {
		return nil
	}
	return refuse("%s is %v; it must be between %v and %v", field, v, zero, high)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
