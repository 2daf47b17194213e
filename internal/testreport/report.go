package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	ImportPath string // of a build
}

// name is "package Test/Subtest".
func (e event) name() string {
	if e.Test == "" {
		return e.Package
	}
	return e.Package + " " + e.Test
}

// report collects what a run of tests did.
type report struct {
	passed  map[string]bool
	failed  []string
	skipped map[string]string // name to the last line of its output: the reason
	output  map[string][]string
}

// read follows a run, and writes to w one line per package, and all that a
// failing test said.
func read(run io.Reader, w io.Writer) (*report, error) {
	r := &report{passed: map[string]bool{}, skipped: map[string]string{}, output: map[string][]string{}}
	lines := bufio.NewReader(run)
	for {
		text, err := lines.ReadBytes('\n')
		if len(text) > 0 {
			var e event
			if json.Unmarshal(text, &e) != nil {
				_, _ = w.Write(text) // go itself says something
			} else {
				r.add(e, w)
			}
		}
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *report) add(e event, w io.Writer) {
	switch e.Action {
	case "build-output":
		_, _ = io.WriteString(w, e.Output)
	case "output":
		if e.Test == "" && (strings.HasPrefix(e.Output, "ok  \t") || strings.HasPrefix(e.Output, "FAIL\t")) {
			_, _ = io.WriteString(w, e.Output)
			return
		}
		r.output[e.name()] = append(r.output[e.name()], e.Output)
	case "pass":
		r.passed[e.name()] = true
		delete(r.output, e.name())
	case "skip":
		if e.Test != "" {
			r.skipped[e.name()] = reason(r.output[e.name()])
		}
		delete(r.output, e.name())
	case "fail":
		r.failed = append(r.failed, e.name())
		_, _ = fmt.Fprintf(w, "--- output of %s\n%s", e.name(), strings.Join(r.output[e.name()], ""))
		delete(r.output, e.name())
	}
}

// reason is what a test said when it skipped.
func reason(output []string) string {
	for _, text := range slices.Backward(output) {
		text = strings.TrimSpace(text)
		if text != "" && !strings.HasPrefix(text, "--- SKIP") && !strings.HasPrefix(text, "=== ") {
			return text
		}
	}
	return "no reason given"
}

// unlisted returns the skips that neither passed in an earlier run nor are on
// the list, each with its reason.
func (r *report) unlisted(earlier map[string]bool, list []allowance) []string {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(r.skipped)) {
		listed := slices.ContainsFunc(list, func(a allowance) bool { return a.covers(name) })
		if !earlier[name] && !listed {
			bad = append(bad, name+": "+r.skipped[name])
		}
	}
	return bad
}

// allowance is a line of the list of skips that are right: a package below the
// module, a test, and after # the reason.
type allowance struct{ folder, test string }

// covers reports whether name is the test or one of its subtests.
func (a allowance) covers(name string) bool {
	pkg, test, _ := strings.Cut(name, " ")
	return strings.HasSuffix(pkg, "/"+a.folder) && (test == a.test || strings.HasPrefix(test, a.test+"/"))
}

func parseList(text string) ([]allowance, error) {
	var list []allowance
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		names, why, _ := strings.Cut(line, "#")
		fields := strings.Fields(names)
		if len(fields) != 2 || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf("line %d of the list of skips is not: folder test # reason", number+1)
		}
		list = append(list, allowance{fields[0], fields[1]})
	}
	return list, nil
}
