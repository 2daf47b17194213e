package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	module  = "github.com/holdfast-go/holdfast"
	longest = 500 // lines of a file
)

// rule says what the files below some folders may not import.
type rule struct {
	name    string
	applies func(folder string) bool
	refuses func(folder, imported string) bool
}

var rules = []rule{
	{
		"core imports the standard library alone",
		in("core"),
		func(_, imported string) bool { return !standard(imported) && !below(imported, module+"/core") },
	},
	{
		"health imports the standard library and core",
		in("health"),
		func(_, imported string) bool {
			return !standard(imported) && !below(imported, module+"/core") && !below(imported, module+"/health")
		},
	},
	{
		"system imports the standard library, core, health and procfs",
		in("system"),
		func(_, imported string) bool {
			return !standard(imported) && !below(imported, module+"/core", module+"/health", module+"/system", "github.com/prometheus/procfs")
		},
	},
	{
		"nothing but system reads /proc",
		func(folder string) bool { return !in("system", "bench")(folder) },
		func(_, imported string) bool { return below(imported, "github.com/prometheus/procfs") },
	},
	{
		"a driver imports core and its client library, not what stands above it",
		in("drivers", "cachestore", "policy"),
		func(_, imported string) bool { return imported == module || below(imported, engines...) },
	},
	{
		"a driver does not import another driver or a policy",
		in("drivers", "cachestore"),
		func(folder, imported string) bool {
			return below(imported, module+"/drivers", module+"/cachestore", module+"/policy") && !below(imported, module+"/"+driver(folder))
		},
	},
	{
		"a policy guards any driver and any store",
		in("policy"),
		func(_, imported string) bool { return below(imported, module+"/drivers", module+"/cachestore") },
	},
	{
		"the engines import nothing that stands above them",
		func(folder string) bool { return folder == "." },
		func(_, imported string) bool { return below(imported, engines...) },
	},
	{
		"metrics does not import what stands beside or above it",
		in("metrics"),
		func(_, imported string) bool { return below(imported, module+"/gin", module+"/health") },
	},
	{
		"nothing imports gin but applications",
		func(folder string) bool { return !in("gin", "examples", "bench", "internal/outagetest")(folder) },
		func(_, imported string) bool { return below(imported, module+"/gin", "github.com/gin-gonic") },
	},
	{
		"policy is the only importer of failsafe-go",
		func(folder string) bool { return !in("policy", "bench")(folder) },
		func(_, imported string) bool { return below(imported, "github.com/failsafe-go") },
	},
}

// engines are the packages above the root package.
var engines = []string{module + "/health", module + "/system", module + "/metrics", module + "/gin"}

func in(folders ...string) func(string) bool {
	return func(folder string) bool { return below(folder, folders...) }
}

// below reports whether a path is one of the parents or lies below it.
func below(p string, parents ...string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") })
}

func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// driver returns the first two elements of a folder: "drivers/etcd".
func driver(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	return path.Join(parts[:min(2, len(parts))]...)
}

// forbidden are names that say nothing of what is in a file.
var forbidden = []string{"utils", "util", "helpers", "helper", "types", "interfaces", "common", "misc"}

// violations returns what is wrong with a file; its path is relative to the
// root of the repository.
func violations(file string, src []byte) []string {
	var bad []string
	test := strings.HasSuffix(file, "_test.go")
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".go"), "_test")
	if slices.Contains(forbidden, stem) {
		bad = append(bad, "its name is not the noun of one concept")
	}
	if n := bytes.Count(src, []byte("\n")); n > longest {
		bad = append(bad, fmt.Sprintf("it has %d lines; %d are allowed", n, longest))
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		return append(bad, err.Error())
	}
	if test {
		return bad
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			bad = append(bad, "it has an init function")
		}
	}
	folder := path.Dir(file)
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		for _, r := range rules {
			if r.applies(folder) && r.refuses(folder, imported) {
				bad = append(bad, fmt.Sprintf("it imports %s: %s", imported, r.name))
			}
		}
	}
	return bad
}

// root is the folder of the main module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHouse_RulesHold(t *testing.T) {
	top, seen := root(t), 0
	err := fs.WalkDir(os.DirFS(top), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		seen++
		for _, v := range violations(file, src) {
			t.Errorf("%s: %s", file, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("only %d files were found below %s", seen, top)
	}
}

// TestHouse_RulesCanFail breaks each rule.
func TestHouse_RulesCanFail(t *testing.T) {
	source := func(imported string) string { return "package p\nimport _ \"" + imported + "\"\n" }
	for _, row := range []struct {
		file, src string
		bad       bool
	}{
		{"core/error.go", source("errors"), false},
		{"core/drivertest/run.go", source(module + "/core"), false},
		{"core/error.go", source("go.uber.org/multierr"), true},
		{"core/error.go", source(module + "/policy"), true},
		{"core/error_test.go", source("github.com/google/go-cmp/cmp"), false},
		{"health/checker.go", source(module + "/core"), false},
		{"health/checker.go", source(module), true},
		{"health/checker.go", source(module + "/system"), true},
		{"system/sampler.go", source(module + "/health"), false},
		{"system/sampler.go", source("github.com/prometheus/procfs"), false},
		{"system/sampler.go", source(module), true},
		{"system/sampler.go", source(module + "/metrics"), true},
		{"system/sampler.go", source("github.com/prometheus/client_golang/prometheus"), true},
		{"metrics/system.go", source("github.com/prometheus/procfs"), true},
		{"metrics/system.go", source(module + "/system"), false},
		{"config.go", source(module + "/system"), true},
		{"drivers/etcd/client.go", source("go.etcd.io/etcd/client/v3"), false},
		{"drivers/etcd/client.go", source(module + "/drivers/etcd/wire"), false},
		{"drivers/etcd/client.go", source(module), true},
		{"drivers/etcd/client.go", source(module + "/drivers/memory"), true},
		{"drivers/etcd/client_test.go", source(module + "/drivers/memory"), false},
		{"drivers/etcd/client.go", source(module + "/policy"), true},
		{"cachestore/file/store.go", source(module + "/cachestore/memory"), true},
		{"policy/chain.go", source("github.com/failsafe-go/failsafe-go/retrypolicy"), false},
		{"policy/chain.go", source(module + "/drivers/etcd"), true},
		{"policy/chain.go", source(module), true},
		{"config.go", source("github.com/failsafe-go/failsafe-go"), true},
		{"config.go", source(module + "/health"), true},
		{"config.go", source(module + "/policy"), false},
		{"metrics/collector.go", source(module + "/gin"), true},
		{"metrics/collector.go", source(module), false},
		{"health/checker.go", source("github.com/gin-gonic/gin"), true},
		{"gin/run.go", source("github.com/gin-gonic/gin"), false},
		{"examples/outage/main.go", source(module + "/gin"), false},
		{"core/utils.go", "package core\n", true},
		{"drivers/etcd/helpers_test.go", "package etcd\n", true},
		{"core/init.go", "package core\nfunc init() {}\n", true},
		{"core/init_test.go", "package core\nfunc init() {}\n", false},
		{"core/method.go", "package core\ntype t int\nfunc (t) init() {}\n", false},
		{"core/long.go", "package core\n" + strings.Repeat("\n", longest), true},
		{"core/broken.go", "package", true},
	} {
		if got := violations(row.file, []byte(row.src)); (len(got) > 0) != row.bad {
			t.Errorf("%s with %.60q: %q, want bad: %v", row.file, row.src, got, row.bad)
		}
	}
}
