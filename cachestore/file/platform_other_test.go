//go:build !unix

package file

import "errors"

func limitFiles(uint64) error { return errors.ErrUnsupported }

func beNobody(string) error { return nil }
