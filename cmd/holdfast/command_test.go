package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call runs the program and returns what it wrote, both streams together.
func call(t *testing.T, code int, args ...string) string {
	t.Helper()
	return callWith(t, code, "", args...)
}

func callWith(t *testing.T, code int, input string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if got := run(t.Context(), args, strings.NewReader(input), &out, &out); got != code {
		t.Errorf("%q ended with %d, want %d:\n%s", args, got, code, out.String())
	}
	return out.String()
}

// contains expects each part in text.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("it lacks %q:\n%s", p, text)
		}
	}
}

// filled returns a folder with two buckets.
func filled(t *testing.T, key []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	s := file.New(dir, file.Options{Key: key})
	for bucket, records := range map[string][]core.Record{
		"profiles": {
			{Key: "ann", Value: []byte("hunter2"), Revision: "41", SavedAt: time.Now().Add(-time.Hour)},
			{Key: "\x1b[31mbob", Value: []byte("\xff\x00"), Revision: "42", SavedAt: time.Now().Add(-90 * time.Second)},
		},
		"other": {{Key: "k", Value: []byte("line 1\nline 2\n"), SavedAt: time.Now().Add(time.Hour)}},
	} {
		if err := s.Write(t.Context(), bucket, core.Batch{Put: records}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// texts returns the content of every file.
func texts(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestInspecting_ShowsWhatIsThereAndHidesValues(t *testing.T) {
	dir := filled(t, nil)
	before := texts(t, dir)
	list := call(t, 0, "cache", "ls", dir)
	contains(t, list, "BUCKET", "profiles", "42", "1m3", "other", "in the future", "ok")
	shown := call(t, 0, "cache", "show", dir)
	contains(t, shown, "bucket profiles, 2 records", "ann", "1h00m", `"\x1b[31mbob"`, "bucket other, 1 record\n")
	verified := call(t, 0, "cache", "verify", dir)
	contains(t, verified, "ok       profiles: 2 records, checksum ", "2 buckets, all whole")
	for _, text := range []string{list, shown, verified} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "line 1") || strings.Contains(text, "\x1b") {
			t.Errorf("it shows what it should not:\n%s", text)
		}
	}
	one := call(t, 0, "cache", "show", dir, "-values", "profiles")
	contains(t, one, "      hunter2\n", "      (base64) /wA=\n")
	if strings.Contains(one, "other") {
		t.Errorf("it shows another bucket:\n%s", one)
	}
	contains(t, call(t, 0, "cache", "show", "--values", dir), "      line 1\n      line 2\n")
	contains(t, call(t, 1, "cache", "show", dir, "unknown"), "no bucket unknown")
	for name, text := range texts(t, dir) {
		if before[name] != text {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestInspecting_EndsWithOneOnDamage(t *testing.T) {
	dir := filled(t, nil)
	for name, text := range texts(t, dir) {
		if strings.HasPrefix(name, "profiles") {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(text, "hunter2", "hunter3", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	contains(t, call(t, 1, "cache", "ls", dir), "DAMAGED", "ok")
	contains(t, call(t, 1, "cache", "verify", dir), "DAMAGED  profiles: 1 record can be served: ", "1 of 2 buckets not whole")
	contains(t, call(t, 1, "cache", "show", dir), "bob", "DAMAGED: ")
	// Healed by the next Write, it is kept aside.
	s := file.New(dir, file.Options{})
	if err := s.Write(t.Context(), "profiles", core.Batch{Put: []core.Record{{Key: "ann"}}}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	contains(t, call(t, 0, "cache", "verify", dir), "aside    profiles-", "all whole")
}

func TestInspecting_EncryptedWantsTheKey(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	dir := filled(t, key)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, call(t, 0, "cache", "ls", "-key-file", path, dir), "profiles", "encrypted")
	contains(t, call(t, 0, "cache", "show", "-key-file", path, "-values", dir, "profiles"), "hunter2")
	contains(t, call(t, 1, "cache", "ls", dir), "(sealed-", "NO KEY")
	contains(t, call(t, 1, "cache", "verify", dir), "NO KEY", "2 of 2 buckets not whole")
	if err := os.WriteFile(path, append(key, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, call(t, 2, "cache", "ls", "-key-file", path, dir), "33 bytes")
	contains(t, call(t, 1, "cache", "ls", "-key-file", path+"x", dir), "read the key")
}

func TestCommand_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for says, args := range map[string][]string{
		"give a command":        {},
		"no command":            {"cache", "list", dir},
		"does not take 0":       {"cache", "ls"},
		"does not take 3":       {"cache", "show", dir, "a", "b"},
		"not defined":           {"cache", "ls", "-x", dir},
		`no kind of store "x"`:  {"cache", "ls", "-store", "x", dir},
		"give -origin":          {"cache", "seed", dir, "f"},
		"belong to the engines": {"cache", "seed", "-bucket", "holdfast/x", dir, "f"},
		"-bucket goes with":     {"cache", "seed", "-bucket", "b", "-scope", "x", dir, "f"},
		"-bind is for":          {"cache", "seed", "-origin", "o", "-service", "b", "-bind", "x", dir, "f"},
		"-saved is no time":     {"cache", "seed", "-origin", "o", "-saved", "yesterday", dir, "f"},
	} {
		contains(t, call(t, 2, args...), says, "Usage:")
	}
	contains(t, call(t, 1, "cache", "ls", filepath.Join(dir, "missing")), "not found")
	contains(t, call(t, 0, "help"), "holdfast cache seed")
	contains(t, call(t, 0, "cache", "seed", "-h"), "-origin", "-replace", "limits/max_items")
	contains(t, call(t, 0, "cache", "ls", dir), "BUCKET")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
}
