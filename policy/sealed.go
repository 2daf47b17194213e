package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// sealFormat begins every record that a fallback keeps, with the version of its
// format. A reader refuses versions it doesn't know.
const sealFormat = "holdfast-answer-1"

// seal wraps what a codec wrote: a line with format, checksum and time, then the
// bytes as they are, so that text stays readable. The checksum covers the key and
// the time too: a store may return the wrong record as well as wrong bytes.
func seal(key string, at time.Time, data []byte) []byte {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	b := make([]byte, 0, len(sealFormat)+len(stamp)+len(data)+2*sha256.Size+3)
	b = append(b, sealFormat...)
	b = append(b, ' ')
	b = hex.AppendEncode(b, checksum(key, stamp, data))
	b = append(b, ' ')
	b = append(b, stamp...)
	b = append(b, '\n')
	return append(b, data...)
}

// unseal returns what seal was given; anything else is [core.ErrCorrupt].
func unseal(key string, b []byte) (at time.Time, data []byte, err error) {
	head, data, whole := bytes.Cut(b, []byte{'\n'})
	format, rest, _ := bytes.Cut(head, []byte{' '})
	sum, stamp, ok := bytes.Cut(rest, []byte{' '})
	if !whole || !ok || string(format) != sealFormat {
		return time.Time{}, nil, fmt.Errorf("%w: the record is no remembered answer, or of another version", core.ErrCorrupt)
	}
	if string(sum) != hex.EncodeToString(checksum(key, string(stamp), data)) {
		return time.Time{}, nil, fmt.Errorf("%w: the record's checksum does not match", core.ErrCorrupt)
	}
	ms, err := strconv.ParseInt(string(stamp), 10, 64)
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("%w: the record's time can't be read", core.ErrCorrupt)
	}
	return time.UnixMilli(ms), data, nil
}

func checksum(key, stamp string, data []byte) []byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d:%s%s\n", len(key), key, stamp)
	_, _ = h.Write(data)
	return h.Sum(nil)
}
