package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

var errRecord = errors.New("record does not match its checksum")

// line is how a record stands in a document. Of each pair of fields the second
// one holds in base64 what is not valid UTF-8. A record without a value has
// neither.
type line struct {
	Key        string  `json:"key,omitempty"`
	Key64      []byte  `json:"key64,omitempty"`
	Value      *string `json:"value,omitempty"`
	Value64    *string `json:"base64,omitempty"`
	Revision   string  `json:"revision,omitempty"`
	Revision64 []byte  `json:"revision64,omitempty"`
	Saved      string  `json:"saved"`
	Sum        string  `json:"sum"`
}

// codec turns records of one bucket into lines and back. It is not safe for
// concurrent use.
type codec struct {
	bucket  string
	scratch []byte // what a checksum is made of
	room    []byte // the resolved text of a line
}

// encode appends the line of r to b, without a line break. It writes what
// encoding/json would make of a line, in a quarter of the time.
func (c *codec) encode(b *bytes.Buffer, r core.Record) error {
	b.WriteByte('{')
	if err := field(b, "key", "key64", r.Key); err != nil {
		return err
	}
	if r.Value != nil {
		b.WriteByte(',')
		if err := field(b, "value", "base64", r.Value); err != nil {
			return err
		}
	}
	if r.Revision != "" {
		b.WriteByte(',')
		if err := field(b, "revision", "revision64", r.Revision); err != nil {
			return err
		}
	}
	var room [64]byte
	saved := r.SavedAt.UTC().AppendFormat(room[:0], time.RFC3339Nano)
	sum := c.sum(r, saved)
	b.WriteString(`,"saved":"`)
	b.Write(saved)
	b.WriteString(`","sum":"`)
	b.Write(sum[:])
	b.WriteString(`"}`)
	return nil
}

// field appends a field named text that holds v, or one named raw with v in
// base64 if v is not valid UTF-8.
func field[T core.Revision | string | []byte](b *bytes.Buffer, text, raw string, v T) error {
	plain := true
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' || v[i] == '"' || v[i] == '\\' {
			plain = false
			break
		}
	}
	if plain {
		b.Write(append(append(append(append(append(b.AvailableBuffer(), '"'), text...), `":"`...), v...), '"'))
		return nil
	}
	if utf8.ValidString(string(v)) {
		b.WriteString(`"` + text + `":`)
		return appendJSON(b, string(v))
	}
	b.WriteString(`"` + raw + `":`)
	return appendJSON(b, []byte(v))
}

// decode reads a line; the error holds nothing of what was read.
func (c *codec) decode(text []byte) (core.Record, error) {
	if l, room, ok := scanLine(text, c.room); ok {
		c.room = room
		r := core.Record{Key: string(l.key), Revision: core.Revision(l.revision)}
		if l.hasValue {
			r.Value = append(make([]byte, 0, len(l.value)), l.value...)
		}
		return c.checked(r, l.saved, string(l.sum))
	}
	var l line
	if json.Unmarshal(text, &l) != nil {
		return core.Record{}, errRecord
	}
	r := core.Record{Key: l.Key, Revision: core.Revision(l.Revision)}
	if l.Key64 != nil {
		r.Key = string(l.Key64)
	}
	if l.Revision64 != nil {
		r.Revision = core.Revision(l.Revision64)
	}
	switch {
	case l.Value != nil:
		r.Value = []byte(*l.Value)
	case l.Value64 != nil:
		v, err := base64.StdEncoding.DecodeString(*l.Value64)
		if err != nil {
			return core.Record{}, errRecord
		}
		r.Value = v
	}
	return c.checked(r, []byte(l.Saved), l.Sum)
}

// checked completes a record that was read, if its checksum is right.
func (c *codec) checked(r core.Record, saved []byte, want string) (core.Record, error) {
	sum := c.sum(r, saved)
	if string(sum[:]) != want || r.SavedAt.UnmarshalText(saved) != nil {
		return core.Record{}, errRecord
	}
	return r, nil
}

// sum is the checksum of a record: 64 bits of SHA-256 over its bucket and its
// fields, each preceded by its length.
func (c *codec) sum(r core.Record, saved []byte) (text [16]byte) {
	s := c.scratch[:0]
	s = append(binary.BigEndian.AppendUint64(s, uint64(len(c.bucket))), c.bucket...)
	s = append(binary.BigEndian.AppendUint64(s, uint64(len(r.Key))), r.Key...)
	s = append(binary.BigEndian.AppendUint64(s, uint64(len(r.Revision))), r.Revision...)
	s = append(binary.BigEndian.AppendUint64(s, uint64(len(saved))), saved...)
	present := byte(0)
	if r.Value != nil {
		present = 1
	}
	s = append(s, present)
	s = append(s, r.Value...)
	c.scratch = s
	sum := sha256.Sum256(s)
	hex.Encode(text[:], sum[:8])
	return text
}

// checkRecord reports a record that no document can hold.
func checkRecord(r core.Record) error {
	if err := checkName("key", r.Key); err != nil {
		return err
	}
	if len(r.Revision) > longestName {
		return fmt.Errorf("revision has %d bytes; %d are allowed", len(r.Revision), longestName)
	}
	if y := r.SavedAt.UTC().Year(); y < 0 || y > 9999 {
		return fmt.Errorf("SavedAt is in the year %d; use one from 0 to 9999", y)
	}
	return nil
}

// longestName is the greatest length of a bucket or key, in bytes.
const longestName = 1 << 10

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > longestName:
		return fmt.Errorf("%s has %d bytes; %d are allowed", what, len(name), longestName)
	}
	return nil
}

// appendJSON writes v as people want to read it: without \u003c for <, and
// without a line break at the end.
func appendJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// textOrBytes returns s as the one if it is valid UTF-8, and else as the other.
func textOrBytes(s string) (string, []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return "", []byte(s)
}
