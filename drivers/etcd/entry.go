package etcd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

// entryFormat is the version of the form below. A reader ignores fields that it
// doesn't know, so only a change that such a reader would misread raises it.
const entryFormat = 1

// entry is the value of an instance's key. The key alone says service and ID: each
// of ten thousand watchers is sent every change, so nothing is said twice. A value
// that names them all the same must agree with its key.
type entry struct {
	core.Instance
	ID      string `json:"id,omitempty"`
	Service string `json:"service,omitempty"`
	Owner   string `json:"owner"`
	Format  int    `json:"format,omitempty"` // absent is 1
}

// encodeEntry writes the value of a registration.
func encodeEntry(r core.Registration) ([]byte, error) {
	i := r.Instance
	for _, text := range texts(i) {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("%w: instance %q has text that is no UTF-8", core.ErrInvalid, i.ID)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // for people
	if err := encoder.Encode(entry{Instance: i, Owner: r.Owner}); err != nil {
		return nil, fmt.Errorf("%w: instance %q can't be encoded", core.ErrInvalid, i.ID)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// texts returns what JSON would change silently if it is no UTF-8. ID and Service
// are read from the key.
func texts(i core.Instance) []string {
	all := append([]string{i.Version, i.Zone}, i.Endpoints...)
	for k, v := range i.Metadata {
		all = append(all, k, v)
	}
	return all
}

// decodeEntry reads the value of the key of an instance. Its errors never hold
// anything of the value.
func decodeEntry(service, id string, value []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(value, &e); err != nil {
		return entry{}, badJSON(err)
	}
	if e.Format > entryFormat {
		return entry{}, corrupt(fmt.Sprintf("its format is %d and this version reads up to %d", e.Format, entryFormat))
	}
	if e.ID != "" && e.ID != id || e.Service != "" && e.Service != service {
		return entry{}, corrupt("its ID or service disagrees with its key")
	}
	if e.Owner == "" && len(e.Endpoints) == 0 {
		return entry{}, corrupt("it has neither an owner nor endpoints")
	}
	e.ID, e.Service = id, service
	e.Instance.ID, e.Instance.Service = id, service
	if e.Validate() != nil {
		return entry{}, corrupt("it has a negative weight or an unknown status")
	}
	return e, nil
}

// ownerOf returns who holds the value; "" if it can't be read.
func ownerOf(service, id string, value []byte) string {
	e, err := decodeEntry(service, id, value)
	if err != nil {
		return ""
	}
	return e.Owner
}

func badJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return corrupt(fmt.Sprintf("no JSON (at byte %d)", syntax.Offset))
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return corrupt(fmt.Sprintf("no instance: JSON of the wrong type (at byte %d)", wrong.Offset))
	}
	return corrupt("no instance")
}

func corrupt(why string) error {
	return fmt.Errorf("%w: %s", core.ErrCorrupt, why)
}
