package holdfast

import (
	"bytes"
	"errors"
)

// Bounds of a YAML document. The parsers of JSON and TOML have bounds of their
// own; that of YAML needs gigabytes for 100 KiB of brackets, and a few lines of
// aliases stand for more entries than any machine could visit.
const (
	deepestDocument = 1000
	aliasFactor     = 10       // entries per byte, aliases followed
	smallDocument   = 10 << 10 // bytes; a shorter document counts as this long
)

var errTooDeep = errors.New("it is nested too deeply")

// checkNesting refuses, before the parser looks at it, a document that may be
// nested more deeply than deepestDocument. It takes brackets in texts for
// brackets, which only a document with a thousand unpaired ones would notice.
func checkNesting(b []byte) error {
	open := 0
	for line := range bytes.Lines(b) {
		if indent(line) > deepestDocument {
			return errTooDeep
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				if open++; open > deepestDocument {
					return errTooDeep
				}
			case ']', '}':
				open = max(open-1, 0)
			}
		}
	}
	return nil
}

// indent is the column where the text of a line begins, behind the dashes, tags
// and anchors of lists: each level of a block takes a column at least.
func indent(line []byte) int {
	marked := false
	for i, c := range line {
		space := c == ' ' || c == '\t'
		switch {
		case space:
			marked = false
		case marked, c == '!', c == '&':
			marked = true
		case (c == '-' || c == '?' || c == ':') && i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\t'):
		default:
			return i
		}
	}
	return len(line)
}

// affordable reports whether a tree has at most so many entries, with each alias
// counted as what it stands for.
func affordable(v any, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, below := range v {
			if !affordable(below, left) {
				return false
			}
		}
	case []any:
		for _, below := range v {
			if !affordable(below, left) {
				return false
			}
		}
	}
	return true
}
