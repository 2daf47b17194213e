package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// DefaultAdvertiseEnv is the environment variable that [Run] reads the address
// to advertise from.
const DefaultAdvertiseEnv = "HOLDFAST_ADVERTISE"

// AdvertiseOptions say which address peers should reach this process at. The zero
// value finds one.
type AdvertiseOptions struct {
	// Address is taken as it is: host, host:port or scheme://host:port; a missing
	// or zero port is that of the listener. Default: found.
	Address string
	// Env names an environment variable that is read like Address where that is
	// empty. Default: [Run] reads [DefaultAdvertiseEnv], [Advertise] reads none; "-"
	// reads none.
	Env string
	// Via lists host:port of backends: the local address of the route to the first
	// that has one is advertised where the listener has no address of its own.
	// Nothing is sent. A route by loopback counts as none. Default: [Run] takes
	// those of the service's backends, [Advertise] none.
	Via []string
	// Scheme of the endpoint. Default "http"; [Run] uses "https" for a server with
	// a TLSConfig.
	Scheme string
}

// Advertised is an address for peers, and why it is that one.
type Advertised struct {
	// Endpoint is scheme://host:port.
	Endpoint string
	// Reason is for people: "option", "environment HOLDFAST_ADVERTISE", "listener",
	// "route to 10.0.0.2:2379", "interface eth0".
	Reason string
}

// Advertise finds the address at which peers reach what listens on ln: Address,
// else the environment, else the listener's own address, else the address of the
// route to a backend, else that of the first real interface (up, no loopback, no
// bridge of containers; IPv4 before IPv6). It is never an address for listening
// such as 0.0.0.0 or [::]. Names in Via are looked up within half a second.
//
// An error is of kind [core.ErrInvalid] and says what to set.
func Advertise(ctx context.Context, ln net.Listener, opts AdvertiseOptions) (Advertised, error) {
	return locator{getenv: os.Getenv, route: route, interfaces: machineInterfaces}.locate(ctx, ln.Addr(), opts)
}

// locator is what Advertise asks the machine.
type locator struct {
	getenv     func(name string) string
	route      func(ctx context.Context, to string) (netip.Addr, error)
	interfaces func() ([]netInterface, error)
}

func (l locator) locate(ctx context.Context, listener net.Addr, opts AdvertiseOptions) (Advertised, error) {
	scheme := opts.Scheme
	if scheme == "" {
		scheme = "http"
	}
	tcp, ok := listener.(*net.TCPAddr)
	port := ""
	if ok {
		port = strconv.Itoa(tcp.Port)
	}
	if opts.Address != "" {
		return given(opts.Address, scheme, port, "option", "AdvertiseOptions.Address")
	}
	if opts.Env != "" && opts.Env != "-" {
		if address := l.getenv(opts.Env); address != "" {
			return given(address, scheme, port, "environment "+opts.Env, "environment variable "+opts.Env)
		}
	}
	if !ok {
		return Advertised{}, fmt.Errorf("holdfastgin: advertise: %w: the listener has no TCP address; set AdvertiseOptions.Address", core.ErrInvalid)
	}
	endpoint := func(ip netip.Addr) string { return scheme + "://" + net.JoinHostPort(ip.Unmap().String(), port) }
	if ip, ok := netip.AddrFromSlice(tcp.IP); ok && !ip.Unmap().IsUnspecified() {
		return Advertised{endpoint(ip.WithZone(tcp.Zone)), "listener"}, nil
	}
	for _, via := range opts.Via {
		if ip, err := l.route(ctx, via); err == nil && usable(ip) {
			return Advertised{endpoint(ip), "route to " + via}, nil
		}
	}
	all, err := l.interfaces()
	if name, ip, ok := firstReal(all); ok {
		return Advertised{endpoint(ip), "interface " + name}, nil
	}
	return Advertised{}, errors.Join(fmt.Errorf("holdfastgin: advertise: %w: nothing tells which address peers reach this machine at; "+
		"listen on one, or set AdvertiseOptions.Address or %s", core.ErrInvalid, DefaultAdvertiseEnv), err)
}

// given reads an address that a person gave.
func given(address, scheme, port, reason, where string) (Advertised, error) {
	fail := func(why string) (Advertised, error) {
		return Advertised{}, fmt.Errorf("holdfastgin: advertise: %w: the %s %s; write host, host:port or scheme://host:port", core.ErrInvalid, where, why)
	}
	rest := address
	if s, after, ok := strings.Cut(address, "://"); ok {
		scheme, rest = s, after
	}
	if strings.ContainsAny(rest, "/@ ") || scheme == "" {
		return fail("is no address")
	}
	host := strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
	if _, err := netip.ParseAddr(host); err != nil {
		if h, p, err := net.SplitHostPort(rest); err == nil {
			host = h
			if p != "" && p != "0" {
				port = p
			}
		}
	}
	if host == "" || strings.ContainsAny(host, "[]") {
		return fail("has no host")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Unmap().WithZone("").IsUnspecified() {
			return fail("is an address for listening, which nobody can connect to")
		}
	} else if strings.Contains(host, ":") {
		return fail("is no address")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fail("has no port in 1..65535")
	}
	return Advertised{scheme + "://" + net.JoinHostPort(host, port), reason}, nil
}

// route returns the local address of the route to a backend. UDP connects
// without sending anything.
func route(ctx context.Context, to string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", to)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, fmt.Errorf("route to %s has no address", to)
	}
	return local.AddrPort().Addr(), nil
}
