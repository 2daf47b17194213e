package holdfast

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type settings struct {
	MaxItems int
	Small    int8
	Rate     float64
	On       bool
	Name     string
	Wait     time.Duration
	Hosts    []string
	Ports    []uint16
	Labels   map[string]string
	HTTP     struct {
		ReadTimeout time.Duration `mapstructure:"read_timeout"`
		TLS         bool
	}
	Addr   netip.Addr
	Inner  *struct{ Depth int }
	Secret []byte
	hidden int //nolint:unused // unexported fields are left alone
}

func TestDecode_ReadsEveryShape(t *testing.T) {
	for name, raw := range map[string]map[string]string{
		"single keys": {
			"app/max_items": " 7 ", "app/small": "-3", "app/rate": "0.5", "app/on": "yes", "app/name": "", "app/wait": "1m30s",
			"app/hosts": "a, b", "app/ports": "[1, 2]", "app/labels/x": "1", "app/http/read_timeout": "3s", "app/http/TLS": "true",
			"app/addr": "10.0.0.1", "app/inner/depth": "4", "app/secret": "\x00\xff",
		},
		"JSON": {"app.json": `{"MaxItems": 7, "small": -3, "rate": 0.5, "on": true, "name": "", "wait": "1m30s", "hosts": ["a", "b"],
			"ports": [1, 2], "labels": {"x": 1}, "http": {"read_timeout": "3s", "tls": true}, "addr": "10.0.0.1", "inner": {"depth": 4}}`,
			"app/secret": "\x00\xff"},
		"YAML": {"app.yaml": "max-items: 7\nsmall: -3\nrate: 0.5\non: true\nname: ''\nwait: 1m30s\nhosts: [a, b]\nports: [1, 2]\n" +
			"labels: {x: 1}\nhttp: {read_timeout: 3s, tls: true}\naddr: 10.0.0.1\ninner: {depth: 4}\n", "app/secret": "\x00\xff"},
		"TOML": {"app.toml": "max_items = 7\nsmall = -3\nrate = 0.5\non = true\nname = ''\nwait = '1m30s'\nhosts = ['a', 'b']\nports = [1, 2]\n" +
			"addr = '10.0.0.1'\n[labels]\nx = '1'\n[http]\nread_timeout = '3s'\ntls = true\n[inner]\ndepth = 4\n", "app/secret": "\x00\xff"},
		"a document in one key": {"app": "max_items: 1\nsmall: -3\nrate: 0.5\non: true\nwait: 1m30s\nhosts: [a, b]\nports: [1, 2]\n" +
			"labels: {x: 1}\nhttp: {read_timeout: 3s, tls: true}\naddr: 10.0.0.1\ninner: {depth: 4}\n", "app/max_items": "7", "app/name": "", "app/secret": "\x00\xff"},
		"composites in single keys": {"app/max_items": "7", "app/small": "-3", "app/rate": "5e-1", "app/on": "1", "app/name": "", "app/wait": "90s",
			"app/hosts": "- a\n- b\n", "app/ports": "1,2", "app/labels": `{"x": "1"}`, "app/http": "read_timeout: 3s\ntls: true", "app/addr": "10.0.0.1",
			"app/inner": `{"depth": 4}`, "app/secret": "\x00\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			want := settings{MaxItems: 7, Small: -3, Rate: .5, On: true, Wait: 90 * time.Second, Hosts: []string{"a", "b"}, Ports: []uint16{1, 2},
				Labels: map[string]string{"x": "1"}, Addr: netip.MustParseAddr("10.0.0.1"), Inner: &struct{ Depth int }{4}, Secret: []byte("\x00\xff")}
			want.HTTP.ReadTimeout, want.HTTP.TLS = 3*time.Second, true
			shared := map[string]string{"of": "the default"}
			got := settings{Name: "gone", Labels: shared, Hosts: []string{"of the default"}}
			found, err := decode("app", bytesOf(raw), &got)
			if err != nil || !found {
				t.Fatalf("found %v, error %v", found, err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(shared) != 1 {
				t.Error("the default's own map was written into")
			}
		})
	}
}

func bytesOf(raw map[string]string) map[string][]byte {
	b := make(map[string][]byte, len(raw))
	for k, v := range raw {
		b[k] = []byte(v)
	}
	return b
}

func TestDecode_RefusesWithoutQuoting(t *testing.T) {
	const secret = "s3cr3t"
	for key, value := range map[string]string{
		"app/max_items": secret, "app/small": "300", "app/rate": "nan", "app/on": secret, "app/wait": secret, "app/addr": secret,
		"app/ports": "1," + secret, "app/labels": secret, "app/http": "[" + secret + "]", "app/inner": secret, "app/http/read_timeout": secret,
		"app.json": `{"max_items": "` + secret + `"}`, "app.yaml": "max_items: " + secret, "app.toml": "small = 300",
		"app.yml": "http: " + secret, "app": secret, "app//x": "", "app/hosts": "[" + secret,
	} {
		t.Run(key, func(t *testing.T) {
			var got settings
			_, err := decode("app", bytesOf(map[string]string{key: value}), &got)
			if key == "app//x" {
				if err != nil {
					t.Errorf("a key nobody reads refused everything: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "app") {
				t.Errorf("the error must name the key and not hold the value: %v", err)
			}
		})
	}
}

func TestDecode_RefusesTwoSpellingsOfAField(t *testing.T) {
	var got settings
	_, err := decode("app", bytesOf(map[string]string{"app.yaml": "MaxItems: 1", "app/max_items": "2"}), &got)
	if err == nil || !strings.Contains(err.Error(), "same field") {
		t.Errorf("error %v", err)
	}
}

func TestDecode_WholeValues(t *testing.T) {
	for _, c := range []struct {
		raw    map[string]string
		target any
		want   any
	}{
		{map[string]string{"v": "7"}, new(int), 7},
		{map[string]string{"v": " text "}, new(string), " text "},
		{map[string]string{"v": "10s"}, new(time.Duration), 10 * time.Second},
		{map[string]string{"v": "a,b"}, new([]string), []string{"a", "b"}},
		{map[string]string{"v.yaml": "[1, 2]"}, new([]int), []int{1, 2}},
		{map[string]string{"v": "raw"}, new([]byte), []byte("raw")},
		{map[string]string{"v": "10.0.0.1"}, new(netip.Addr), netip.MustParseAddr("10.0.0.1")},
		{map[string]string{"v/a": "1", "v/b": "2"}, new(map[string]int), map[string]int{"a": 1, "b": 2}},
	} {
		found, err := decode("v", bytesOf(c.raw), c.target)
		if err != nil || !found {
			t.Errorf("%v: found %v, error %v", c.raw, found, err)
			continue
		}
		if diff := cmp.Diff(c.want, deref(c.target), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.raw, diff)
		}
	}
	if found, err := decode("v", bytesOf(map[string]string{"vv": "1", "v2/a": "1", "v.txt": "1"}), new(int)); found || err != nil {
		t.Errorf("keys of others: found %v, error %v", found, err)
	}
}

func TestDecodable_NamesTheField(t *testing.T) {
	type bad struct {
		Fine struct{ F func() }
	}
	if err := decodable(reflectType[bad]()); err == nil || !strings.Contains(err.Error(), "Fine.F") {
		t.Errorf("func field: %v", err)
	}
	type tagged struct {
		F func() `mapstructure:"-"`
	}
	if err := decodable(reflectType[tagged]()); err != nil {
		t.Errorf("left out by its tag: %v", err)
	}
	if err := decodable(reflectType[map[int]string]()); err == nil {
		t.Error("a map with int keys passed")
	}
	type node struct{ Next *node }
	if err := decodable(reflectType[node]()); err != nil {
		t.Errorf("a recursive type: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("app.yaml", []byte("a: &a [*a]"))
	f.Add("app.json", []byte(`{"http":{"tls":[]}}`))
	f.Add("app.toml", []byte("[[labels]]\nx=1"))
	f.Add("app/inner", []byte("{}"))
	f.Add("app/labels/x/y", []byte("z"))
	f.Add("app", []byte("- 1"))
	for _, key := range []string{"", "/", "app/", "app//x", "../app", "app/../other.yaml", "app\x00.json", "app/\xff", "app/" + strings.Repeat("n", 300), "application.yaml"} {
		f.Add(key, []byte("\x00"))
		f.Add(key, []byte("{\"a\": [1e999, -0, \"\\ud800\"]}"))
	}
	f.Add("app.json", []byte(strings.Repeat("[", 20_000)))
	f.Add("app.yaml", []byte("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]"))
	f.Add("app.yaml", []byte("!!binary \"=\": ? - !!x"))
	f.Add("app.toml", []byte("a.b=1\na.b.c=2\n[a]\n\"\\u0000\"=nan"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		var got settings
		found, err := decode("app", map[string][]byte{key: value}, &got)
		if found && !covers("app", key) {
			t.Errorf("a foreign key %q was read", key)
		}
		if err != nil && len(value) > 20 && strings.Contains(err.Error(), string(value)) {
			t.Errorf("the error holds the value: %v", err)
		}
	})
}
