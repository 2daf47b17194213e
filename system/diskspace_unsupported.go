//go:build !linux && !darwin

package system

import "errors"

func spaceOf(string) (space, error) { return space{}, errors.New("unsupported") }
