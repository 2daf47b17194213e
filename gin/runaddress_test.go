package holdfastgin

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// remote is a registry at an address.
type remote struct {
	core.Registry
	address string
}

func (r remote) Addresses() []string { return []string{r.address} }

func (r remote) Unwrap() any { return r.Registry }

// startAt starts a service with a registry and no configuration.
func startAt(t *testing.T, reg core.Registry) *holdfast.Service {
	t.Helper()
	svc, err := holdfast.Start(t.Context(), holdfast.Options{Name: "orders", Registry: reg, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// What listens everywhere is announced at an address that peers can connect to.
func TestRun_AnnouncesARealAddressForEachThatMeansAll(t *testing.T) {
	all, err := machineInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	name, ip, found := firstReal(all)
	for _, addr := range []string{"0.0.0.0:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			b := newBackend(t)
			svc := startAt(t, remote{b.Registry(), "127.0.0.1:2379"})
			ln := listen(t, addr)
			port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
			if !found { // then there is nobody to be reached by, and saying so is right
				err := Run(t.Context(), svc, engineWith(t, MountOptions{}, svc), "", RunOptions{Listener: ln, Stop: fast()})
				if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), DefaultAdvertiseEnv) {
					t.Errorf("without a real interface: got %v", err)
				}
				return
			}
			r := runService(t, svc, engineWith(t, MountOptions{}, svc), RunOptions{Listener: ln, Stop: fast()})
			id := net.JoinHostPort(ip.String(), port)
			eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
			in := instances(t, b, "orders")[id]
			if len(in.Endpoints) != 1 || in.Endpoints[0] != "http://"+id {
				t.Fatalf("registered %+v; want http://%s", instances(t, b, "orders"), id)
			}
			if got := r.life.Status().Advertised; got.Reason != "interface "+name {
				t.Errorf("the reason is %q", got.Reason)
			}
			r.url = in.Endpoints[0]
			if code, body := r.get("/readyz"); code != http.StatusOK {
				t.Errorf("peers get %d %s", code, body)
			}
		})
	}
}

// The route to the backend comes before the first interface, without a word from
// the program. The address is of a range for documentation, and nothing is sent.
func TestRun_AsksForTheRouteToTheBackend(t *testing.T) {
	const far = "192.0.2.1:2379"
	want := ""
	if ip, err := route(t.Context(), far); err == nil && usable(ip) {
		want = "route to " + far
	} else if all, err := machineInterfaces(); err == nil {
		name, _, found := firstReal(all)
		if !found {
			t.Log("this machine has neither a route nor a real interface")
			return
		}
		want = "interface " + name
	}
	b := newBackend(t)
	svc := startAt(t, policy.Registry(remote{b.Registry(), far}, policy.Must(policy.Timeout{After: time.Second})))
	r := runService(t, svc, engineWith(t, MountOptions{}, svc), RunOptions{Listener: listen(t, ":0"), Stop: fast()})
	if got := r.life.Status().Advertised; got.Reason != want {
		t.Errorf("advertised %+v; want the %s", got, want)
	}
}
