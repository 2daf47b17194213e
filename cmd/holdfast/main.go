// Command holdfast looks into the folder of a cache store, of either kind, and fills
// one before a service starts for the first time.
//
//	holdfast cache ls <dir>               buckets, ages, revisions and checksums
//	holdfast cache show <dir> [bucket]    the records; their values with -values
//	holdfast cache verify <dir>           whether every bucket is whole
//	holdfast cache seed <dir> <file>      writes a last good state from YAML or JSON
//
// ls, show and verify open the folder for reading, take no lock and change nothing,
// so that they may be run beside a service. A badger store that is being written so
// much that no moment of it can be read is said to be in use. The exit code is 0 if all is well, 1 if
// anything is damaged or can't be read, and 2 for a mistake of the caller.
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
