package badger

import (
	"errors"
	"io/fs"
	"os"
)

// A marker file says what a start is about to do. One that is there at the next
// start says that the process died of it, or during it.
const markerName = "opening"

// stage is how far a start came.
type stage string

const (
	stageNone    stage = ""
	stageOpen    stage = "open\n"      // Badger opens the folder
	stageSalvage stage = "salvage\n"   // this package reads a folder that Badger should not open
	stageAgain   stage = "salvage 2\n" // the same, once more
	stageSwap    stage = "swap\n"      // the new folder is whole and takes the old one's place
	stageAside   stage = "put aside\n" // anything else
)

// readMarker returns the stage that the start before did not leave. A marker
// that can't be read counts as one that says nothing.
func readMarker(root *os.Root) (stage, error) {
	b, err := root.ReadFile(markerName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stageNone, nil
	case err != nil:
		return stageNone, err
	}
	switch s := stage(b); s {
	case stageOpen, stageSalvage, stageAgain, stageSwap:
		return s, nil
	}
	if len(b) == 0 || b[0] == 'o' {
		return stageOpen, nil // it was not written to its end, or rotted
	}
	return stageAside, nil
}

// mark writes the marker durably.
func mark(root *os.Root, s stage) error { return replaceFile(root, markerName, []byte(s)) }

// unmark removes it. It need not be durable: a marker that comes back makes the
// next start careful, and no more.
func unmark(root *os.Root) error {
	if err := root.Remove(markerName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
