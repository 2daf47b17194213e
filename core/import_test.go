package core_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestImports_StandardLibraryAlone holds core to the standard library, and the kits
// to that and core: whoever implements a contract pulls in nothing else.
func TestImports_StandardLibraryAlone(t *testing.T) {
	const core = "github.com/holdfast-go/holdfast/core"
	for dir, allowed := range map[string]string{".": "", "drivertest": core} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				// Paths of the standard library have no dot in their first element.
				first, _, _ := strings.Cut(path, "/")
				if strings.Contains(first, ".") && path != allowed {
					t.Errorf("%s/%s imports %s", dir, e.Name(), path)
				}
			}
		}
		if files == 0 {
			t.Errorf("%s: no files were read", dir)
		}
	}
}
