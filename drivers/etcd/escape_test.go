package etcd

import (
	"strings"
	"testing"
)

func TestEscape_IsReversibleAndNeverASlash(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"orders", "orders-1.4_x@zone:1", "a/b", "a", "../", "..", ".", "\x00", "%2F", "%", "%%", "a%", "a%2", "Bär 熊 🐻",
		"\xff\xfe", "\uFFFD", "line\nbreak", "\x7f", strings.Repeat("x", 300), strings.Repeat("/", 300), " ",
	} {
		segment := escape(name)
		if strings.Contains(segment, "/") {
			t.Errorf("escape(%q) = %q has a slash", name, segment)
		}
		if other, ok := seen[segment]; ok {
			t.Errorf("%q and %q share the segment %q", name, other, segment)
		}
		seen[segment] = name
		if back, ok := unescape(segment); !ok || back != name {
			t.Errorf("unescape(%q) = %q, %v; want %q", segment, back, ok, name)
		}
	}
}

func TestEscape_LeavesNormalNamesReadable(t *testing.T) {
	for _, name := range []string{"orders", "orders-7f.local:8080", "Bär", "a b"} {
		if got := escape(name); got != name {
			t.Errorf("escape(%q) = %q", name, got)
		}
	}
}

func TestUnescape_RefusesWhatEscapeNeverWrites(t *testing.T) {
	for _, segment := range []string{"%", "%2", "%2f", "%zz", "%41", "a%", "\x00", "a/b", "%FF%"} {
		if name, ok := unescape(segment); ok {
			t.Errorf("unescape(%q) = %q", segment, name)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, name := range []string{"a/b%2F\x00\xff", "", ".", "..", "../../etc/passwd", "%", "%2", "%zz", "%25", "%2f", strings.Repeat("n", 300), "\u2028"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if back, ok := unescape(escape(name)); !ok || back != name {
			t.Errorf("%q came back as %q, %v", name, back, ok)
		}
		if back, ok := unescape(name); ok && escape(back) != name {
			t.Errorf("%q is not the only segment of %q", name, back)
		}
	})
}
