package file

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// FuzzScanLine holds the scanner to encoding/json: what it reads, that reads too.
func FuzzScanLine(f *testing.F) {
	c := codec{bucket: "b"}
	for _, r := range []core.Record{
		record("k", "v"), record("é\n", "a \"quoted\"\t\\ value\r\n\u2028<&>"), {Key: "nil", SavedAt: saved}, {Key: "empty", Value: []byte{}, SavedAt: saved},
		{Key: "no revision", Value: []byte("\x00\x7f"), SavedAt: saved}, record("bytes", "\xff"),
	} {
		var line bytes.Buffer
		if err := c.encode(&line, r); err != nil {
			f.Fatal(err)
		}
		f.Add(line.Bytes())
	}
	f.Add([]byte(`{"key":"a\u0041","value":"\/","saved":"","sum":""}`))
	f.Add([]byte(`{"key":"a\`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, _, ok := scanLine(text, nil)
		if !ok {
			return
		}
		var want line
		if err := json.Unmarshal(text, &want); err != nil {
			// Raw control characters and the like: a checksum can't fit by accident.
			return
		}
		same := func(what string, got []byte, want string) {
			// encoding/json replaces what is not UTF-8, and no line has that.
			if string(got) != want && bytes.Equal(bytes.ToValidUTF8(got, nil), got) {
				t.Errorf("%s of %q: %q, want %q", what, text, got, want)
			}
		}
		same("key", got.key, want.Key)
		same("revision", got.revision, want.Revision)
		same("saved", got.saved, want.Saved)
		same("sum", got.sum, want.Sum)
		if got.hasValue != (want.Value != nil) {
			t.Errorf("value of %q: there is one: %v", text, got.hasValue)
		} else if got.hasValue {
			same("value", got.value, *want.Value)
		}
	})
}

// TestScanLine_ReadsWhatIsWritten makes sure that the common case is the fast one.
func TestScanLine_ReadsWhatIsWritten(t *testing.T) {
	c := codec{bucket: "b"}
	for _, r := range []core.Record{record("k", "v"), record("k", "{\"text\":\"a\\nb\"}\n\té"), {Key: "nil", SavedAt: saved}} {
		var line bytes.Buffer
		if err := c.encode(&line, r); err != nil {
			t.Fatal(err)
		}
		l, _, ok := scanLine(line.Bytes(), nil)
		if !ok || string(l.key) != r.Key || !bytes.Equal(l.value, r.Value) || l.hasValue != (r.Value != nil) {
			t.Errorf("%s was read as %+v, %v", line.Bytes(), l, ok)
		}
	}
}
