package policy

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

const (
	longestStoreName = 1 << 10 // bytes that a store takes for the name of a bucket or a key
	longestPlainKey  = 512     // bytes of a key that stands in the store as it is
	hashedKey        = "#"     // what the name of a key starts with that does not
	enginesBuckets   = "holdfast/"
)

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// comparableKey refuses a K whose values may not be comparable after all: an
// interface can hold a slice.
func comparableKey[K comparable]() error {
	return walkKey(reflect.TypeFor[K](), func(t reflect.Type) error {
		if t.Kind() == reflect.Interface {
			return fmt.Errorf("a key of type %v can't be used: %v may hold something that can't be compared", reflect.TypeFor[K](), t)
		}
		return nil
	})
}

// storableKey refuses a K whose values mean something in this process only.
func storableKey[K comparable]() error {
	return walkKey(reflect.TypeFor[K](), func(t reflect.Type) error {
		switch t.Kind() {
		case reflect.Pointer, reflect.Chan, reflect.UnsafePointer, reflect.Interface:
			return fmt.Errorf("a key of type %v can't be kept in a store: %v means nothing to the next process", reflect.TypeFor[K](), t)
		}
		return nil
	})
}

// walkKey calls check for each type that a key is made of, as far as its text is.
func walkKey(t reflect.Type, check func(reflect.Type) error) error {
	if err := check(t); t.Implements(textMarshaler) && t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer {
		return nil
	} else if err != nil {
		return err
	}
	switch t.Kind() {
	case reflect.Array:
		return walkKey(t.Elem(), check)
	case reflect.Struct:
		for f := range t.Fields() {
			ft := f.Type
			if !f.IsExported() && ft.Implements(textMarshaler) && !plainKey(ft) {
				// Go does not let anybody call its MarshalText.
				return fmt.Errorf("a key of type %v can't be kept in a store: its field %s is not exported", t, f.Name)
			}
			if err := walkKey(ft, check); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainKey reports whether values of t can be read without their methods.
func plainKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array, reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.UnsafePointer:
		return false
	}
	return true
}

// keyWriter returns what writes a key as the name of its record: the same text in
// each process, another one for each key, within what every store takes.
func keyWriter[K comparable]() func(K) (string, error) {
	if w, ok := any(stringKey).(func(K) (string, error)); ok {
		return w
	}
	return func(key K) (string, error) {
		var b strings.Builder
		v := reflect.ValueOf(&key).Elem()
		if v.Kind() == reflect.String && !v.Type().Implements(textMarshaler) {
			return stringKey(v.String())
		}
		if err := writeKeyText(&b, v); err != nil {
			return "", err
		}
		return stringKey(b.String())
	}
}

// stringKey returns key itself if any store takes it and any tool shows it, and
// else its hash.
func stringKey(key string) (string, error) {
	if key != "" && len(key) <= longestPlainKey && !strings.HasPrefix(key, hashedKey) && utf8.ValidString(key) {
		return key, nil
	}
	sum := sha256.Sum256([]byte(key))
	return hashedKey + hex.EncodeToString(sum[:]), nil
}

func writeKeyText(b *strings.Builder, v reflect.Value) error {
	if v.Type().Implements(textMarshaler) && v.CanInterface() {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return fmt.Errorf("policy: fallback: key of type %v has no text: %w: %w", v.Type(), core.ErrInvalid, err)
		}
		b.WriteString(strconv.Quote(string(text)))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		writeFloatText(b, v.Float())
	case reflect.Complex64, reflect.Complex128:
		writeFloatText(b, real(v.Complex()))
		b.WriteByte('i')
		writeFloatText(b, imag(v.Complex()))
	case reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeKeyText(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeKeyText(b, v.Field(i)); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return fmt.Errorf("policy: fallback: a key that holds a %v has no text: %w", v.Type(), core.ErrInvalid)
	}
	return nil
}

// writeFloatText writes 0 and -0, which are the same key, the same.
func writeFloatText(b *strings.Builder, f float64) {
	if f == 0 {
		f = math.Abs(f)
	}
	b.WriteString(strconv.FormatFloat(f, 'g', -1, 64))
}
