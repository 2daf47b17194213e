package holdfast

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

func TestCheckInstance_RefusesWhatPeersCouldNotReach(t *testing.T) {
	for _, c := range []struct{ endpoint, says string }{
		{"", "no scheme"},
		{":8080", "no scheme"},
		{"10.0.0.7:8080", "no scheme"},
		{"localhost:8080", "no scheme"},
		{"://10.0.0.7:8080", "no scheme"},
		{"http://", "no host"},
		{"http://:8080", "no host"},
		{"http://10.0.0.7", "no port"},
		{"http://[fd00::1]", "no port"},
		{"http://10.0.0.7:", "no port"},
		{"http://10.0.0.7:0", "port 0"},
		{"http://10.0.0.7:65536", "1..65535"},
		{"http://10.0.0.7:http", "of the form"},
		{"http://0.0.0.0:8080", "for listening"},
		{"http://[::]:8080", "for listening"},
		{"http://[0:0:0:0:0:0:0:0]:8080", "for listening"},
		{"http://[::ffff:0.0.0.0]:8080", "for listening"},
		{"http://*:8080", "for listening"},
		{"http://224.0.0.1:8080", "a group"},
		{"http://255.255.255.255:8080", "a group"},
		{"http://fd00::1:8080", "of the form"},
		{"http://10.0.0.7:8080/", "nothing after the port"},
		{"http://10.0.0.7:8080/api?x=1#y", "nothing after the port"},
		{"HTTP://10.0.0.7:8080", "lower case"},
		{"http://a b:8080", "of the form"},
		{"http://a\x00:8080", "of the form"},
	} {
		err := checkInstance(core.Instance{ID: "a", Service: "orders", Endpoints: []string{"http://10.0.0.7:8080", c.endpoint}})
		switch {
		case !errors.Is(err, core.ErrInvalid):
			t.Errorf("%q: %v, want kind invalid", c.endpoint, err)
		case !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "endpoint 1"):
			t.Errorf("%q: %q does not say %q of endpoint 1", c.endpoint, err, c.says)
		}
	}
}

func TestCheckInstance_NeverShowsAPassword(t *testing.T) {
	err := checkInstance(core.Instance{ID: "a", Service: "orders", Endpoints: []string{"http://me:hunter2@10.0.0.7:8080"}})
	if !errors.Is(err, core.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want a refusal that does not show the password", err)
	}
}

func TestCheckInstance_TakesWhatCanBeReached(t *testing.T) {
	for _, e := range []string{
		"http://10.0.0.7:8080", "grpc://orders.internal:9000", "https://[fd00::1]:443", "http://127.0.0.1:1", "tcp+tls://x:65535",
	} {
		if err := checkInstance(core.Instance{ID: "a", Service: "orders", Endpoints: []string{e}}); err != nil {
			t.Errorf("%q: %v", e, err)
		}
	}
}

func TestDefaultID(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://10.0.0.7:8080":  "10.0.0.7:8080",
		"https://[fd00::1]:443": "[fd00::1]:443",
	} {
		if got := defaultID(endpoint); got != want {
			t.Errorf("defaultID(%q) = %q, want %q", endpoint, got, want)
		}
	}
}
