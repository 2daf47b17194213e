package system

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// longest is how much of a file is read. The longest is /proc/stat, of which only the
// begin matters.
const longest = 1 << 20

// file reads small files of the kernel into one buffer: what it returns is valid
// until the next call.
type file struct{ buf bytes.Buffer }

func (f *file) read(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	f.buf.Reset()
	if _, err := f.buf.ReadFrom(io.LimitReader(in, longest)); err != nil {
		return nil, err
	}
	return f.buf.Bytes(), nil
}

// number reads a file that holds one number.
func (f *file) number(path string) (uint64, error) {
	data, err := f.read(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		return 0, malformed(path, err)
	}
	return n, nil
}

// field returns the number behind a key in lines of "key number".
func field(data []byte, key string) (n uint64, found bool, err error) {
	for line := range bytes.Lines(data) {
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if !ok || string(name) != key {
			continue
		}
		n, err = strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
		return n, err == nil, err
	}
	return 0, false, nil
}

// float parses a number that is neither negative nor beyond all bounds.
func float(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("%q is not a share or a sum", text)
	}
	return v, nil
}

func malformed(path string, err error) error { return fmt.Errorf("%s is malformed: %w", path, err) }

// reason is the text of an error, for people: whatever a file held, it is one
// printable line of bounded length.
func reason(err error) string {
	const limit = 200
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(err.Error(), "?"))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}
