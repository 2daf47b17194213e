package file

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, dir, "") {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

func TestStore_EncryptedFolderShowsNoNamesOrValues(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		dir := t.TempDir()
		s := open(t, dir, Options{Key: bytes.Repeat([]byte{1}, size)})
		write(t, s, "customers", put(record("topsecretkey", "hunter2"), record("other", "hunter2")))
		write(t, s, "customers", put(record("third", "hunter2")))
		for name, text := range snapshot(t, dir) {
			for _, secret := range []string{"customers", "topsecret", "hunter2"} {
				if strings.Contains(name, secret) || strings.Contains(text, secret) {
					t.Errorf("file %s shows %q:\n%s", name, secret, text)
				}
			}
			if strings.HasSuffix(name, current) && !strings.HasPrefix(text, `{"holdfast":{"version":1,"generation":`) {
				t.Errorf("the header of %s can't be read:\n%s", name, text)
			}
		}
		expect(t, s, "customers", map[string]string{"topsecretkey": "hunter2", "other": "hunter2", "third": "hunter2"})
	}
}

func TestStore_WrongKeyIsDeniedAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	right := New(dir, Options{Key: testKey})
	write(t, right, "b", put(record("k", "v")))
	write(t, right, "b", put(record("k", "w")))
	if err := right.Close(); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	for name, opts := range map[string]Options{
		"another key":  {Key: bytes.Repeat([]byte{8}, 32)},
		"another size": {Key: testKey[:16]},
		"no key":       {},
	} {
		s := New(dir, opts)
		_, err := s.Get(t.Context(), "b", "k")
		expectKind(t, name+": Get", err, core.ErrDenied)
		_, err = contents(t.Context(), s, "b")
		expectKind(t, name+": All", err, core.ErrDenied)
		expectKind(t, name+": Write", s.Write(t.Context(), "b", put(record("k", "x"))), core.ErrDenied)
		expectKind(t, name+": Reset", s.Write(t.Context(), "b", core.Batch{Reset: true}), core.ErrDenied)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	after := snapshot(t, dir)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("files before %d, after %d", len(before), len(after))
	}
	expect(t, open(t, dir, Options{Key: testKey}), "b", map[string]string{"k": "w"})
}

func TestStore_RotatesItsKey(t *testing.T) {
	dir := t.TempDir()
	old := New(dir, Options{Key: testKey})
	write(t, old, "b", put(record("k", "v")))
	write(t, old, "untouched", put(record("k", "v")))
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	newKey := bytes.Repeat([]byte{8}, 16)
	s := New(dir, Options{Key: newKey, OldKeys: [][]byte{testKey}})
	expect(t, s, "b", map[string]string{"k": "v"})
	for range 2 {
		write(t, s, "b", put(record("l", "w")))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = New(dir, Options{Key: newKey})
	expect(t, s, "b", map[string]string{"k": "v", "l": "w"})
	_, err := s.Get(t.Context(), "untouched", "k")
	expectKind(t, "a bucket that nobody wrote since", err, core.ErrDenied)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Not even the previous generation needs the old key, after two Writes.
	path := filepath.Join(dir, stem("b", true))
	if err := os.Truncate(path+current, 100); err != nil {
		t.Fatal(err)
	}
	s = New(dir, Options{Key: newKey})
	got, err := contents(t.Context(), s, "b")
	if got["k"] != "v" || len(got) != 2 {
		t.Errorf("the previous generation: %q, %v", got, err)
	}
	expectKind(t, "All", err, core.ErrCorrupt)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStore_EncryptsWhatWasPlain(t *testing.T) {
	dir := t.TempDir()
	plain := New(dir, Options{})
	write(t, plain, "b", put(record("k", "hunter2")))
	write(t, plain, "b", put(record("l", "hunter2")))
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{Key: testKey})
	want := map[string]string{"k": "hunter2", "l": "hunter2"}
	expect(t, s, "b", want)
	write(t, s, "b", put(record("m", "x")))
	want["m"] = "x"
	expect(t, s, "b", want)
	for name, text := range snapshot(t, dir) {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s still holds plain text", name)
		}
	}
	expect(t, open(t, dir, Options{Key: testKey}), "b", want)
}

func TestStore_PlainTextInPlaceOfSealedIsDamage(t *testing.T) {
	dir := t.TempDir()
	doc, _ := document(t, 9, "forged", nil)
	if err := os.WriteFile(filepath.Join(dir, stem("b", true)+current), doc, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir, Options{Key: testKey}).Get(t.Context(), "b", "a")
	expectKind(t, "Get", err, core.ErrCorrupt)
}
