package holdfast

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/holdfast-go/holdfast/core"
)

// decode reads a binding's raw keys into target, which points at a copy of the
// default. found is false when no key says anything. Errors name key or field
// and the reason, never the value.
func decode(path string, raw map[string][]byte, target any) (found bool, err error) {
	t := reflect.TypeOf(target).Elem()
	if !named(t) {
		return decodeWhole(path, raw, target)
	}
	tree, found, err := assemble(path, raw)
	if err != nil || !found {
		return found, err
	}
	v := reflect.ValueOf(target)
	for v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil() {
		v = v.Elem() // mapstructure would put a new one here, without the default's fields
	}
	return true, decodeTree(path, tree, v.Interface())
}

// named reports whether a type consists of named fields, and so is assembled
// from several keys.
func named(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return (t.Kind() == reflect.Struct || t.Kind() == reflect.Map) && !reflect.PointerTo(t).Implements(textUnmarshaler)
}

// decodeWhole reads a value that one key holds: a number, a text, a list.
func decodeWhole(path string, raw map[string][]byte, target any) (found bool, err error) {
	for _, f := range documentFormats {
		b, ok := raw[path+f.ending]
		if !ok {
			continue
		}
		var v any = leaf(b)
		if f.ending != "" {
			if v, err = f.parse(b); err != nil {
				return true, &keyError{path + f.ending, err}
			}
		}
		found = true
		if err := decodeTree(path+f.ending, v, target); err != nil {
			return true, err
		}
	}
	return found, nil
}

func decodeTree(path string, tree, target any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           target,
		DecodeHook:       mapstructure.DecodeHookFuncValue(convert),
		WeaklyTypedInput: true,
		ZeroFields:       true, // else maps and slices of the default would be written into
		MatchName:        sameName,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", core.ErrInvalid, err)
	}
	if err := d.Decode(markNulls(tree)); err != nil {
		return explain(path, err)
	}
	return nil
}

// sameName matches max_items, max-items and maxItems with a field MaxItems.
func sameName(key, field string) bool {
	return strings.EqualFold(spelling.Replace(key), spelling.Replace(field))
}

// spelling takes away what names of one field may differ in, besides case.
var spelling = strings.NewReplacer("_", "", "-", "")

// null stands for a document's null, which mapstructure would read as zero.
type null struct{}

func markNulls(v any) any {
	switch v := v.(type) {
	case nil:
		return null{}
	case map[string]any:
		for k := range v {
			v[k] = markNulls(v[k])
		}
	case []any:
		for i := range v {
			v[i] = markNulls(v[i])
		}
	}
	return v
}

// reason is an error whose text is known to hold no value.
type reason struct{ text string }

func (r *reason) Error() string { return r.text }

func because(format string, args ...any) error { return &reason{fmt.Sprintf(format, args...)} }

// explain turns a decoding error into one that names fields and types only:
// the library's texts, and those of a user's UnmarshalText, may quote values.
func explain(path string, err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range many.Unwrap() {
			errs = append(errs, explain(path, e))
		}
		return errors.Join(errs...)
	}
	if many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		return explain(path, many)
	}
	field, what := path, "it can't be read as what the program expects"
	if d, ok := errors.AsType[*mapstructure.DecodeError](err); ok && d.Name() != "" {
		field = strings.Trim(path+"/"+strings.ReplaceAll(d.Name(), ".", "/"), "/")
	}
	if r, ok := errors.AsType[*reason](err); ok {
		what = r.text
	} else if p, ok := errors.AsType[*mapstructure.ParseError](err); ok {
		what = "it can't be read as " + p.Expected.Type().String()
	} else if u, ok := errors.AsType[*mapstructure.UnconvertibleTypeError](err); ok {
		what = "it can't be read as " + u.Expected.Type().String()
	}
	return &keyError{field, errors.New(what)}
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
	bytesType       = reflect.TypeFor[[]byte]()
)

// convert is the decode hook: it reads texts strictly where mapstructure would
// guess (blank as 0, 1.9 as 1, 300 as an int8).
func convert(from, to reflect.Value) (any, error) {
	data, t := from.Interface(), to.Type()
	if _, ok := data.(null); ok {
		switch t.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			return reflect.Zero(t).Interface(), nil
		}
		return nil, because("it is null; leave it out to go back to the default")
	}
	if t.Kind() == reflect.Pointer {
		return data, nil // comes again for what it points at
	}
	text, isText := textOf(data)
	if isText && reflect.PointerTo(t).Implements(textUnmarshaler) {
		v := reflect.New(t)
		if err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return nil, because("it can't be read as %v", t)
		}
		return v.Elem().Interface(), nil
	}
	if t == durationType {
		return toDuration(data, text, isText)
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return toScalar(data, text, isText, to)
	case reflect.String:
		if b, ok := data.(bool); ok {
			return strconv.FormatBool(b), nil
		}
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		if l, ok := data.(leaf); ok {
			return toComposite(string(l), t)
		}
	}
	if m, ok := data.(map[string]any); ok && t.Kind() == reflect.Struct {
		return data, sameTwice(m)
	}
	if isText {
		return text, nil
	}
	return data, nil
}

// sameTwice reports two spellings of one field, of which either might be read.
func sameTwice(m map[string]any) error {
	seen := make(map[string]string, len(m))
	for k := range m {
		folded := strings.ToLower(spelling.Replace(k))
		if o, ok := seen[folded]; ok {
			return because("%q and %q name the same field; delete one of the two", min(k, o), max(k, o))
		}
		seen[folded] = k
	}
	return nil
}

// textOf returns the text of what came as text; a JSON number is one.
func textOf(data any) (string, bool) {
	switch v := data.(type) {
	case leaf:
		return string(v), true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

func toDuration(data any, text string, isText bool) (any, error) {
	if _, number := data.(json.Number); number || !isText {
		if f, err := strconv.ParseFloat(fmt.Sprint(data), 64); err == nil && f == 0 {
			return time.Duration(0), nil
		}
		return nil, because("it is no duration; write it with a unit, as in 1m30s")
	}
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return nil, because("it is no duration; write it with a unit, as in 1m30s")
	}
	return d, nil
}

// toScalar reads a number or a bool, and refuses what does not fit.
func toScalar(data any, text string, isText bool, to reflect.Value) (any, error) {
	t := to.Type()
	if isText {
		if text = strings.TrimSpace(text); text == "" {
			return nil, &reason{errBlank.Error()}
		}
	} else if (t.Kind() == reflect.Bool) != (reflect.TypeOf(data).Kind() == reflect.Bool) {
		return nil, because("it can't be read as %v", t)
	} else if t.Kind() == reflect.Bool {
		return data, nil
	} else if f, ok := data.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	} else {
		text = fmt.Sprint(data)
	}
	v := reflect.New(t).Elem()
	switch {
	case t.Kind() == reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return nil, err
		}
		v.SetBool(b)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, t.Bits())
		if err != nil {
			return nil, because("it is no whole number that fits %v", t)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, t.Bits())
		if err != nil {
			return nil, because("it is no whole number from 0 on that fits %v", t)
		}
		v.SetUint(n)
	default:
		f, err := strconv.ParseFloat(text, t.Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, because("it is no finite number that fits %v", t)
		}
		v.SetFloat(f)
	}
	return v.Interface(), nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "t", "yes", "y", "on":
		return true, nil
	case "false", "0", "f", "no", "n", "off":
		return false, nil
	}
	return false, because("it is neither true nor false")
}

// toComposite reads a whole branch that stands in a single key.
func toComposite(text string, t reflect.Type) (any, error) {
	if t == bytesType {
		return []byte(text), nil
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil, &reason{errBlank.Error()}
	}
	list := t.Kind() == reflect.Slice || t.Kind() == reflect.Array
	if list && trimmed[0] != '[' && !strings.HasPrefix(trimmed, "- ") {
		parts := strings.Split(trimmed, ",")
		items := make([]any, len(parts))
		for i, p := range parts {
			items[i] = leaf(strings.TrimSpace(p))
		}
		return items, nil
	}
	v, err := parseAny([]byte(text))
	if err != nil {
		return nil, &reason{err.Error()}
	}
	if k := reflect.ValueOf(v).Kind(); (list && k != reflect.Slice) || (!list && k != reflect.Map) {
		return nil, because("it can't be read as %v", t)
	}
	return markNulls(v), nil
}

// decodable reports why a type can't be decoded into.
func decodable(t reflect.Type) error {
	return decodableBelow(t, t.String(), make(map[reflect.Type]bool))
}

func decodableBelow(t reflect.Type, where string, seen map[reflect.Type]bool) error {
	if seen[t] || t.Implements(textUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return decodableBelow(t.Elem(), where, seen)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("%w: %s is a map with %v as its key; use string", core.ErrInvalid, where, t.Key())
		}
		return decodableBelow(t.Elem(), where+"[]", seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if !f.IsExported() || f.Tag.Get("mapstructure") == "-" {
				continue
			}
			if err := decodableBelow(f.Type, where+"."+f.Name, seen); err != nil {
				return err
			}
		}
		return nil
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return nil
		}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128, reflect.Invalid:
	default:
		return nil
	}
	return fmt.Errorf("%w: %s is a %v, which no configuration value can be decoded into; give it another type or the tag `mapstructure:\"-\"`", core.ErrInvalid, where, t)
}
