package holdfastgin

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// machine plays a computer with one network card, containers and a tunnel that is
// down.
func machine() locator {
	up := net.FlagUp | net.FlagMulticast
	addrs := func(all ...string) (ips []netip.Addr) {
		for _, a := range all {
			ips = append(ips, netip.MustParseAddr(a))
		}
		return ips
	}
	return locator{
		getenv: func(name string) string { return map[string]string{"ADDR": "10.9.9.9", "WILD": "0.0.0.0:80"}[name] },
		route: func(_ context.Context, to string) (netip.Addr, error) {
			switch to {
			case "etcd:2379":
				return netip.MustParseAddr("10.0.0.7"), nil
			case "agent:8500":
				return netip.MustParseAddr("127.0.0.1"), nil
			}
			return netip.Addr{}, errors.New("no route")
		},
		interfaces: func() ([]netInterface, error) {
			return []netInterface{
				{"lo", net.FlagUp | net.FlagLoopback, addrs("127.0.0.1", "::1")},
				{"docker0", up, addrs("172.17.0.1")},
				{"tun0", 0, addrs("10.8.0.1")},
				{"eth0", up, addrs("fe80::1", "fd00::2", "192.168.1.5")},
			}, nil
		},
	}
}

func TestAdvertise_TakesTheFirstThatTells(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for name, row := range map[string]struct {
		listener net.Addr
		opts     AdvertiseOptions
		want     Advertised
	}{
		"option":                {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "orders.local", Env: "ADDR"}, Advertised{"http://orders.local:80", "option"}},
		"option with port":      {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "orders.local:443", Scheme: "https"}, Advertised{"https://orders.local:443", "option"}},
		"option with port 0":    {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "10.1.1.1:0"}, Advertised{"http://10.1.1.1:80", "option"}},
		"option with scheme":    {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "grpc://10.1.1.1:9"}, Advertised{"grpc://10.1.1.1:9", "option"}},
		"option of IPv6":        {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "fd00::9"}, Advertised{"http://[fd00::9]:80", "option"}},
		"option of IPv6, port":  {tcp("127.0.0.1:80"), AdvertiseOptions{Address: "[fd00::9]:81"}, Advertised{"http://[fd00::9]:81", "option"}},
		"environment":           {tcp("127.0.0.1:80"), AdvertiseOptions{Env: "ADDR"}, Advertised{"http://10.9.9.9:80", "environment ADDR"}},
		"empty environment":     {tcp("127.0.0.1:80"), AdvertiseOptions{Env: "NONE"}, Advertised{"http://127.0.0.1:80", "listener"}},
		"environment off":       {tcp("127.0.0.1:80"), AdvertiseOptions{Env: "-"}, Advertised{"http://127.0.0.1:80", "listener"}},
		"listener":              {tcp("[fd00::2]:80"), AdvertiseOptions{Via: []string{"etcd:2379"}}, Advertised{"http://[fd00::2]:80", "listener"}},
		"route":                 {tcp("0.0.0.0:80"), AdvertiseOptions{Via: []string{"gone:1", "etcd:2379"}}, Advertised{"http://10.0.0.7:80", "route to etcd:2379"}},
		"route by loopback":     {tcp("[::]:80"), AdvertiseOptions{Via: []string{"agent:8500"}}, Advertised{"http://192.168.1.5:80", "interface eth0"}},
		"interface":             {tcp("[::]:80"), AdvertiseOptions{}, Advertised{"http://192.168.1.5:80", "interface eth0"}},
		"interface, no address": {&net.TCPAddr{Port: 80}, AdvertiseOptions{}, Advertised{"http://192.168.1.5:80", "interface eth0"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := machine().locate(t.Context(), row.listener, row.opts)
			if err != nil || got != row.want {
				t.Errorf("got %+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

func TestAdvertise_RefusesWhatNobodyCanConnectTo(t *testing.T) {
	any4 := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("0.0.0.0:80"))
	lonely := machine()
	lonely.interfaces = func() ([]netInterface, error) {
		return []netInterface{{"lo", net.FlagUp | net.FlagLoopback, []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}, nil
	}
	for name, row := range map[string]struct {
		on       locator
		listener net.Addr
		opts     AdvertiseOptions
	}{
		"nothing but loopback":  {lonely, any4, AdvertiseOptions{}},
		"option 0.0.0.0":        {machine(), any4, AdvertiseOptions{Address: "0.0.0.0"}},
		"option [::]":           {machine(), any4, AdvertiseOptions{Address: "[::]:80"}},
		"option ::":             {machine(), any4, AdvertiseOptions{Address: "::"}},
		"option :80":            {machine(), any4, AdvertiseOptions{Address: ":80"}},
		"option with a path":    {machine(), any4, AdvertiseOptions{Address: "http://a:80/x"}},
		"option with a user":    {machine(), any4, AdvertiseOptions{Address: "http://u:p@a:80"}},
		"option with a port":    {machine(), any4, AdvertiseOptions{Address: "a:http"}},
		"environment 0.0.0.0":   {machine(), any4, AdvertiseOptions{Env: "WILD"}},
		"listener without port": {machine(), &net.UnixAddr{Name: "s", Net: "unix"}, AdvertiseOptions{}},
		"option without port":   {machine(), &net.UnixAddr{Name: "s", Net: "unix"}, AdvertiseOptions{Address: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := row.on.locate(t.Context(), row.listener, row.opts); !errors.Is(err, core.ErrInvalid) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAdvertise_ReadsThisMachine(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	defer func() { _ = ln.Close() }()
	got, err := Advertise(t.Context(), ln, AdvertiseOptions{})
	if err != nil || got.Endpoint != "http://"+ln.Addr().String() || got.Reason != "listener" {
		t.Errorf("got %+v, %v", got, err)
	}
	if ip, err := route(t.Context(), "127.0.0.1:9"); err != nil || !ip.IsLoopback() {
		t.Errorf("the route to loopback is %v, %v", ip, err)
	}
	all, err := machineInterfaces()
	if err != nil || len(all) == 0 {
		t.Errorf("the machine has interfaces %v, %v", all, err)
	}
}
