package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const events = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"=== RUN   TestLong\n"}
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"    a_test.go:3: takes long\n"}
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"--- SKIP: TestLong (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestLong"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"skip","Package":"m/none"}
`

const failure = `{"Action":"output","Package":"m/b","Test":"TestBad","Output":"what went wrong\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad"}
{"Action":"output","Package":"m/b","Output":"goroutine left\n"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b\t0.1s\n"}
{"Action":"fail","Package":"m/b"}
`

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun_JudgesSkipsAndFailures(t *testing.T) {
	for _, row := range []struct {
		name, events, list, earlier string
		ok                          bool
		want, not                   string
	}{
		{name: "skip without leave", events: events, want: "SKIPPED without leave: m/a TestLong: a_test.go:3: takes long", not: "chatter"},
		{name: "skip with leave", events: events, list: "a TestLong # needs a moon\n", ok: true, want: "ok  \tm/a"},
		{name: "leave for another", events: events, list: "a TestLon # needs a moon\n", want: "without leave"},
		{name: "passed before", events: events, earlier: "m/a TestLong\n", ok: true},
		{name: "failure", events: events + failure, earlier: "m/a TestLong\n", want: "what went wrong", not: "chatter"},
		{name: "failure of a package", events: failure, want: "goroutine left"},
		{name: "build failure", events: `{"Action":"build-output","Output":"undefined: x\n"}` + "\n" + failure, want: "undefined: x"},
		{name: "nothing ran", events: ""},
		{name: "go says something", events: "go: no such module\n", want: "go: no such module"},
	} {
		t.Run(row.name, func(t *testing.T) {
			earlier := ""
			if row.earlier != "" {
				earlier = file(t, row.earlier)
			}
			passed := filepath.Join(t.TempDir(), "passed")
			var out bytes.Buffer
			ok, err := run(strings.NewReader(row.events), &out, file(t, row.list), passed, earlier)
			if err != nil || ok != row.ok {
				t.Errorf("ok %v, want %v (%v):\n%s", ok, row.ok, err, out.String())
			}
			if !strings.Contains(out.String(), row.want) || row.not != "" && strings.Contains(out.String(), row.not) {
				t.Errorf("want %q, not %q in:\n%s", row.want, row.not, out.String())
			}
			if names, err := os.ReadFile(passed); err != nil || strings.Contains(string(names), "TestLong") {
				t.Errorf("passed: %q, %v", names, err)
			}
		})
	}
}

func TestRun_RefusesAListWithoutReasons(t *testing.T) {
	if _, err := run(strings.NewReader(events), &bytes.Buffer{}, file(t, "a TestLong\n"), "", ""); err == nil {
		t.Error("a skip without a reason was allowed")
	}
}
