// Command testreport reads go test -json and prints what a person wants to know:
// a line per package, all that a failing test said, and each skip that nobody
// allowed. It exits with 1 if there is a failure or such a skip.
//
//	go test -json ./... | testreport -list .ci/skips -passed file
//	go test -json -race -short ./... | testreport -list .ci/skips -earlier file
//
// The second run may skip what passed in the first one, so that a long test runs
// once and a test that never runs is found.
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	list := flag.String("list", "", "file of the skips that are right")
	passed := flag.String("passed", "", "file to write the names of the tests to that passed")
	earlier := flag.String("earlier", "", "file that -passed of an earlier run wrote")
	flag.Parse()
	ok, err := run(os.Stdin, os.Stdout, *list, *passed, *earlier)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, list, passed, earlier string) (bool, error) {
	r, err := read(in, out)
	if err != nil {
		return false, err
	}
	var allowed []allowance
	if list != "" {
		text, err := os.ReadFile(list)
		if err != nil {
			return false, err
		}
		if allowed, err = parseList(string(text)); err != nil {
			return false, err
		}
	}
	ran := map[string]bool{}
	if earlier != "" {
		text, err := os.ReadFile(earlier)
		if err != nil {
			return false, err
		}
		for name := range strings.Lines(string(text)) {
			ran[strings.TrimSuffix(name, "\n")] = true
		}
	}
	if passed != "" {
		names := strings.Join(slices.Sorted(maps.Keys(r.passed)), "\n") + "\n"
		if err := os.WriteFile(passed, []byte(names), 0o600); err != nil {
			return false, err
		}
	}
	bad := r.unlisted(ran, allowed)
	for _, b := range bad {
		_, _ = fmt.Fprintln(out, "SKIPPED without leave:", b)
	}
	_, _ = fmt.Fprintf(out, "%d tests and packages passed, %d failed, %d skipped (%d without leave)\n",
		len(r.passed), len(r.failed), len(r.skipped), len(bad))
	return len(r.failed) == 0 && len(bad) == 0 && len(r.passed) > 0, nil
}
