package file

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/holdfast-go/holdfast/core"
)

func failure(op, key string, kind, cause error) error {
	return &core.Error{Driver: "file", Op: op, Key: key, Kind: kind, Err: cause}
}

// unreadable classifies why a bucket's documents can't be used.
func unreadable(op, key string, sealed bool, err error) error {
	switch {
	case errors.Is(err, errKey) && sealed:
		return failure(op, key, core.ErrDenied, errors.New("the bucket is encrypted with another Options.Key: give that one, or use another folder"))
	case errors.Is(err, errKey):
		return failure(op, key, core.ErrDenied, errors.New("the bucket is encrypted: give its Options.Key, or use another folder"))
	case errors.Is(err, fs.ErrPermission):
		return failure(op, key, core.ErrDenied, err)
	}
	return failure(op, key, core.ErrUnavailable, err)
}

// lossy says what was lost of a bucket.
func lossy(op, key string, s *state) error {
	what := "record"
	if s.batches {
		what = "batch"
	}
	switch {
	case s.lost == 1:
	case s.batches:
		what += "es"
	default:
		what += "s"
	}
	return failure(op, key, core.ErrCorrupt, fmt.Errorf("%d damaged %s: %s", s.lost, what, s.why))
}
