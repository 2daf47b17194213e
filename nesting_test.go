package holdfast

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseYAML_RefusesWhatNoMachineCouldHold(t *testing.T) {
	var aliases strings.Builder
	aliases.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= 20; i++ {
		fmt.Fprintf(&aliases, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	const many = 1 << 20
	for name, doc := range map[string]string{
		"open brackets":   "a: " + strings.Repeat("[", many),
		"closed brackets": "a: " + strings.Repeat("[", many/2) + strings.Repeat("]", many/2),
		"braces":          strings.Repeat("{a: ", many/4) + strings.Repeat("}", many/4),
		"dashes":          strings.Repeat("- ", many/2) + "1",
		"tags":            strings.Repeat("- !t ", many/8) + "1",
		"question marks":  strings.Repeat("? ", many/2) + "1",
		"aliases":         aliases.String(),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseYAML([]byte(doc)); err == nil {
				t.Error("it was read")
			}
			var into map[string]any
			if _, err := decode("app", map[string][]byte{"app": []byte(doc)}, &into); err == nil {
				t.Error("it was read as a document without an ending")
			}
		})
	}
}

func TestParseYAML_TakesWhatPeopleWrite(t *testing.T) {
	for name, doc := range map[string]string{
		"deep":      "a: " + strings.Repeat("[", 900) + strings.Repeat("]", 900),
		"wide":      strings.Repeat("- [a, {b: c}]\n", 3000),
		"rule":      "a: |\n  " + strings.Repeat("-", 2000) + "\nb: 1\n",
		"separator": strings.Repeat("-", 3) + "\na: 1\n",
		"aliases":   "a: &a {x: 1, y: [1, 2]}\nb: *a\nc: {<<: *a, x: 2}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseYAML([]byte(doc)); err != nil {
				t.Error(err)
			}
		})
	}
}
