package holdfast

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// newOwner names an incarnation that starts now: its start time in microseconds
// as eleven digits of base 32, so that the order of strings is the order of
// starts, and five random ones, so that two that start in the same microsecond
// differ. It is short, because every watcher of a service is sent it.
func newOwner(now time.Time) string {
	var salt [4]byte
	// It never fails (Go 1.24): a machine without randomness ends the process.
	_, _ = rand.Read(salt[:])
	return base32(uint64(max(now.UnixMicro(), 0)), 11) + base32(uint64(binary.BigEndian.Uint32(salt[:])>>7), 5)
}

// base32 writes n with digits whose order is that of their bytes.
func base32(n uint64, width int) string {
	s := strconv.FormatUint(n, 32)
	return strings.Repeat("0", max(width-len(s), 0)) + s
}
