package holdfast

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// newOwner names an incarnation that starts now: its start time as sixteen
// hexadecimal digits, so that the order of strings is the order of starts, and
// eight random bytes, so that two that start in the same nanosecond differ.
func newOwner(now time.Time) string {
	var salt [8]byte
	// It never fails (Go 1.24): a machine without randomness ends the process.
	_, _ = rand.Read(salt[:])
	return fmt.Sprintf("%016x-%s", max(now.UnixNano(), 0), hex.EncodeToString(salt[:]))
}
