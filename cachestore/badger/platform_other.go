//go:build !unix

package badger

import "os"

// modesMatter says whether permission bits protect anything here. Elsewhere the
// folder inherits the access rights of the one above it.
const modesMatter = false

const lockFlags = os.O_CREATE | os.O_RDONLY

// syncDir does nothing: a directory can't be synced here.
func syncDir(*os.File) error { return nil }
