//go:build !linux

package file

import "testing"

func playsOnTmpfs(*testing.T) bool { return false }

func mountSmall(string) error { return errNotAllowed }
