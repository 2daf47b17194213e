//go:build !linux && !darwin

package health

func spaceOf(string) (space, error) { return space{}, errUnsupported }
