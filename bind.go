package holdfast

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/holdfast-go/holdfast/core"
)

// acceptTimeout is the default of [BindOptions.AcceptTimeout].
const acceptTimeout = 5 * time.Second

// Bind makes a typed value of the keys at and below path: single keys
// (limits/max_items), one document (limits.yaml, .yml, .json or .toml), or one
// key that holds a document (limits); single keys go over documents. Fields
// match their mapstructure tag, or their name without case, "_" and "-". Texts
// are read as the field's type wants them: numbers that fit, durations with a
// unit, true and false, comma-separated lists, anything with UnmarshalText. What
// no key says stays as in def; maps and slices are replaced as a whole.
//
// A new value is decoded, then validated by `validate:"..."` tags
// (go-playground/validator) and by a method Validate() error of T, whose texts
// should not quote values. If anything refuses it, the last good value stays,
// in memory and in the cache, and [Value.Status] says why. When all keys are
// deleted, def is served again.
//
// Bind never asks the network: it returns at once with the best value there is
// (see [core.Level]). Errors, all of kind [core.ErrInvalid], are mistakes of the
// program: a nil c or one without a source, a path that is malformed or bound
// already, a T that can't be decoded into, a def that fails its own validation.
// [core.ErrClosed] after Close.
func Bind[T any](c *Config, path string, def T) (*Value[T], error) {
	return BindWith(c, path, def, BindOptions[T]{})
}

// BindWith is [Bind] with options. With Accept it waits until the value that the
// source has by now was proven or refused, at most AcceptTimeout.
func BindWith[T any](c *Config, path string, def T, opts BindOptions[T]) (*Value[T], error) {
	if err := bindable[T](c, path); err != nil {
		return nil, fmt.Errorf("holdfast: bind %q: %w", path, err)
	}
	if err := shielded("validating", func() error { return c.validate(&def) }); err != nil {
		return nil, fmt.Errorf("holdfast: bind %q: %w: the default is refused by its own validation: %w", path, core.ErrInvalid, err)
	}
	if opts.AcceptTimeout <= 0 {
		opts.AcceptTimeout = acceptTimeout
	}
	v := &Value[T]{}
	v.current.Store(&def)
	v.binding = &binding{
		config: c, path: path, since: time.Now(), raw: make(map[string]rawValue),
		fresh: func() any {
			d := new(T)
			reflect.ValueOf(d).Elem().Set(deepCopy(reflect.ValueOf(&def).Elem())) // else decoding would write into what is served
			return d
		},
		equal:         func(to any) bool { return reflect.DeepEqual(v.current.Load(), to) },
		acceptTimeout: opts.AcceptTimeout,
		publish: func(now any) {
			v.current.Store(now.(*T))
			v.subs.tell()
		},
	}
	if opts.Accept != nil {
		v.binding.accept = func(ctx context.Context, now any) error { return opts.Accept(ctx, *v.current.Load(), *now.(*T)) }
	}
	if err := c.attach(v.binding); err != nil {
		return nil, fmt.Errorf("holdfast: bind %q: %w", path, err)
	}
	return v, nil
}

// bindable reports the mistakes that no backend can mend.
func bindable[T any](c *Config, path string) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: there is no Config; give holdfast.Options a Config source", core.ErrInvalid)
	case c.src == nil:
		return fmt.Errorf("%w: the service has no configuration source; set holdfast.Options.Config", core.ErrInvalid)
	case path != "" && (strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.Contains(path, "//")):
		return fmt.Errorf("%w: the path has an empty part; write it like limits or limits/http, without / at its ends", core.ErrInvalid)
	}
	return decodable(reflect.TypeFor[T]())
}

// validate applies tags and methods to *T. Its text names fields and rules; a
// Validate method's own text is taken as it is.
func (c *Config) validate(target any) error {
	v := reflect.ValueOf(target).Elem()
	if err := validateTags(c.validator, v); err != nil {
		return err
	}
	for _, m := range []any{target, v.Interface()} {
		if m, ok := m.(interface{ Validate() error }); ok {
			if v.Kind() == reflect.Pointer && v.IsNil() {
				return nil
			}
			return m.Validate()
		}
	}
	return nil
}

// validateTags looks into pointers, slices and maps for structs with tags.
func validateTags(check *validator.Validate, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return validateTags(check, v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := validateTags(check, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if err := validateTags(check, v.MapIndex(k)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return brokenRules(check.Struct(v.Interface()))
	}
	return nil
}

func brokenRules(err error) error {
	fields, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok {
		return err
	}
	var broken []string
	for _, f := range fields {
		_, name, _ := strings.Cut(f.Namespace(), ".")
		rule := f.Tag()
		if f.Param() != "" {
			rule += "=" + f.Param()
		}
		broken = append(broken, fmt.Sprintf("field %s breaks its rule %s", name, rule))
	}
	return errors.New(strings.Join(broken, "; "))
}
