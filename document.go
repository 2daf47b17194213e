package holdfast

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/pelletier/go-toml/v2"
)

// documentFormats are the endings that make a key a document, lowest precedence
// first where a person left several.
var documentFormats = []struct {
	ending string
	parse  func([]byte) (any, error)
}{
	{"", parseAny},
	{".json", parseJSON},
	{".toml", parseTOML},
	{".yaml", parseYAML},
	{".yml", parseYAML},
}

var errBlank = errors.New("it is blank; delete the key to go back to the default")

// parseAny reads a document whose key doesn't tell its format.
func parseAny(b []byte) (any, error) {
	if t := bytes.TrimSpace(b); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		return parseJSON(b)
	}
	v, err := parseYAML(b)
	if _, scalar := v.(string); err == nil && !scalar {
		return v, nil
	}
	if t, terr := parseTOML(b); terr == nil {
		return t, nil
	}
	return v, err
}

func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if s, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("it is not valid JSON at byte %d", s.Offset)
		}
		return nil, errors.New("it is not valid JSON: it ends too early")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is not valid JSON: something follows the document at byte %d", d.InputOffset())
	}
	return v, nil
}

// parseYAML leaves the parser's own text out of the error: it quotes the source.
func parseYAML(b []byte) (any, error) {
	if err := checkNesting(b); err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		if y, ok := errors.AsType[yaml.Error](err); ok && y.GetToken() != nil && y.GetToken().Position != nil {
			p := y.GetToken().Position
			return nil, fmt.Errorf("it is not valid YAML at line %d, column %d", p.Line, p.Column)
		}
		return nil, errors.New("it is not valid YAML")
	}
	if left := max(len(b), smallDocument) * aliasFactor; !affordable(v, &left) {
		return nil, errors.New("its aliases make it far larger than it is written")
	}
	return v, nil
}

func parseTOML(b []byte) (any, error) {
	var v map[string]any
	if err := toml.Unmarshal(b, &v); err != nil {
		if t, ok := errors.AsType[*toml.DecodeError](err); ok {
			row, col := t.Position()
			return nil, fmt.Errorf("it is not valid TOML at line %d, column %d", row, col)
		}
		return nil, errors.New("it is not valid TOML")
	}
	return v, nil
}

// keyError is why the value of a key can't be used. It never holds the value.
type keyError struct {
	key string
	err error
}

func (e *keyError) Error() string { return fmt.Sprintf("key %q: %v", e.key, e.err) }
func (e *keyError) Unwrap() error { return e.err }

// covers reports whether a key belongs to a binding's path: the path itself, a
// document of that name, or anything below it. The empty path is everything.
func covers(path, key string) bool {
	if path == "" {
		return true
	}
	rest, ok := strings.CutPrefix(key, path)
	if !ok {
		return false
	}
	if strings.HasPrefix(rest, "/") {
		return true
	}
	for _, f := range documentFormats {
		if rest == f.ending {
			return true
		}
	}
	return false
}

// assemble makes one tree of a binding's raw keys: documents first, by
// documentFormats, then single keys over them. found is false when no key says
// anything.
func assemble(path string, raw map[string][]byte) (tree map[string]any, found bool, err error) {
	tree = make(map[string]any)
	if path != "" {
		for _, f := range documentFormats {
			key := path + f.ending
			b, ok := raw[key]
			if !ok {
				continue
			}
			doc, err := parseDocument(key, b, f.parse)
			if err != nil {
				return nil, true, err
			}
			overlay(tree, doc)
			found = true
		}
	}
	for key, b := range raw {
		rest := key
		if path != "" {
			var below bool
			if rest, below = strings.CutPrefix(key, path+"/"); !below {
				continue
			}
		}
		if err := place(tree, strings.Split(rest, "/"), string(b)); err != nil {
			return nil, true, &keyError{key, err}
		}
		found = true
	}
	return tree, found, nil
}

func parseDocument(key string, b []byte, parse func([]byte) (any, error)) (map[string]any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, &keyError{key, errBlank}
	}
	v, err := parse(b)
	if err != nil {
		return nil, &keyError{key, err}
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, &keyError{key, errors.New("it is not a document of named fields")}
	}
	return doc, nil
}

// overlay puts src over dst, field by field.
func overlay(dst, src map[string]any) {
	for k, v := range src {
		if below, ok := v.(map[string]any); ok {
			if into, ok := dst[k].(map[string]any); ok {
				overlay(into, below)
				continue
			}
		}
		dst[k] = v
	}
}

// place puts the text of a single key where its segments lead. A single key may
// replace a whole branch of a document, but not of other single keys.
func place(tree map[string]any, segments []string, text string) error {
	for _, s := range segments[:len(segments)-1] {
		below, ok := tree[s].(map[string]any)
		if !ok {
			if _, leaf := tree[s].(leaf); leaf {
				return fmt.Errorf("a key above it, ending in %q, holds a value of its own; delete one of the two", s)
			}
			below = make(map[string]any)
			tree[s] = below
		}
		tree = below
	}
	last := segments[len(segments)-1]
	if m, ok := tree[last].(map[string]any); ok && len(m) > 0 && !fromDocument(m) {
		return errors.New("there are keys below it and it holds a value of its own; delete one of the two")
	}
	tree[last] = leaf(text)
	return nil
}

// leaf is the text of a single key, told apart from a document's strings.
type leaf string

// fromDocument reports whether no single key stands in a branch.
func fromDocument(m map[string]any) bool {
	for _, v := range m {
		switch v := v.(type) {
		case leaf:
			return false
		case map[string]any:
			if !fromDocument(v) {
				return false
			}
		}
	}
	return true
}
