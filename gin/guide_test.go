package holdfastgin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guide is docs/gin.md.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/gin.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestProblemOf_TypesAreDocumented: each type leads to a place of the guide.
func TestProblemOf_TypesAreDocumented(t *testing.T) {
	text := guide(t)
	for _, k := range problemKinds {
		if k.name != "" && !strings.Contains(text, `<a id="`+k.name+`"></a>`) {
			t.Errorf("docs/gin.md has no anchor %q", k.name)
		}
	}
}

// TestGuide_SnippetsAreExamples: each snippet of Go in the guide is part of an
// example, indentation apart, so that it compiles.
func TestGuide_SnippetsAreExamples(t *testing.T) {
	bare := func(text string) string {
		var lines []string
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		return "\n" + strings.Join(lines, "\n") + "\n"
	}
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples.WriteString(bare(string(text)))
	}
	snippets := 0
	for _, after := range strings.Split(guide(t), "```go\n")[1:] {
		snippet, _, _ := strings.Cut(after, "```")
		snippets++
		if !strings.Contains(examples.String(), bare(snippet)) {
			t.Errorf("no example has this snippet of docs/gin.md:\n%s", snippet)
		}
	}
	if snippets < 8 {
		t.Errorf("only %d snippets were found", snippets)
	}
}
