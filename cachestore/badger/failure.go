package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/holdfast-go/holdfast/core"
)

var (
	errLocked = errors.New("another process or store holds the folder: give each its own folder (one named after the instance, say), or let it end")
	errKey    = errors.New("the store is encrypted with another key: give it as Options.Key or in Options.OldKeys, or use another folder")
	errStuck  = errors.New("an earlier write has not ended: look at the disk; this store goes on when it has")
	// errSpace says how much room is missing.
	errSpace = errors.New("too little room on the disk")
	// errUnfit says that a folder can't be opened because of what is in it.
	errUnfit = errors.New("the folder is damaged")
)

func failure(op, key string, kind, cause error) error {
	return &core.Error{Driver: "badger", Op: op, Key: key, Kind: kind, Err: cause}
}

// classify gives an error of the library or the system its kind.
func classify(op, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, core.ErrClosed):
		return failure(op, key, core.ErrClosed, nil)
	case errors.Is(err, errKey):
		return failure(op, key, core.ErrDenied, err)
	case errors.Is(err, errPanicked), errors.Is(err, errUnfit), errors.Is(err, errHead):
		return failure(op, key, core.ErrCorrupt, err)
	}
	return failure(op, key, core.ErrUnavailable, err)
}

// lossy says what was lost of a bucket.
func lossy(op, key string, lost uint64, why string) error {
	records := "records"
	if lost == 1 {
		records = "record"
	}
	return failure(op, key, core.ErrCorrupt, fmt.Errorf("%d damaged or missing %s: %s", lost, records, why))
}

// ofMedium reports whether an error says something of the machine and not of
// what is in a file.
func ofMedium(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
