package policy

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// Codec turns the answers that a [Fallback] remembers into bytes and back. It
// must be safe for concurrent use. What it wrote is guarded by a checksum of the
// Fallback, so Unmarshal sees nothing that is damaged, but it may see what an
// older version of the program wrote: it fails then, or returns what it can.
type Codec interface {
	// Marshal returns v, which is a V, as bytes that nobody else holds.
	Marshal(v any) ([]byte, error)
	// Unmarshal reads into v, which is a *V. It doesn't keep or change data.
	Unmarshal(data []byte, v any) error
}

// jsonCodec is the default.
type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

var jsonMarshaler = reflect.TypeFor[json.Marshaler]()

// jsonType refuses a V that JSON can't write, or can't read again.
func jsonType[V any]() error {
	return checkJSON(reflect.TypeFor[V](), make(map[reflect.Type]bool))
}

func checkJSON(t reflect.Type, seen map[reflect.Type]bool) error {
	p := reflect.PointerTo(t)
	if seen[t] || p.Implements(jsonMarshaler) || p.Implements(textMarshaler) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf("an answer that holds a %v can't be written as JSON", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("an answer that holds a %v can't be read from JSON", t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return checkJSON(t.Elem(), seen)
	case reflect.Map:
		return checkJSONMap(t, seen)
	case reflect.Struct:
		return checkJSONStruct(t, seen)
	}
	return nil
}

func checkJSONMap(t reflect.Type, seen map[reflect.Type]bool) error {
	if k := t.Key(); !k.Implements(textMarshaler) {
		switch k.Kind() {
		case reflect.String,
			reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		default:
			return fmt.Errorf("an answer that holds a %v can't be written as JSON", t)
		}
	} else if !reflect.PointerTo(k).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return fmt.Errorf("an answer that holds a %v can't be read from JSON", t)
	}
	return checkJSON(t.Elem(), seen)
}

func checkJSONStruct(t reflect.Type, seen map[reflect.Type]bool) error {
	kept := 0
	for f := range t.Fields() {
		// encoding/json takes the fields of an embedded struct, exported or not.
		if (!f.IsExported() && !f.Anonymous) || f.Tag.Get("json") == "-" {
			continue
		}
		kept++
		if err := checkJSON(f.Type, seen); err != nil {
			return err
		}
	}
	if kept == 0 && t.NumField() > 0 {
		return fmt.Errorf("an answer that holds a %v would be written as JSON without any of its fields", t)
	}
	return nil
}
