package holdfast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-go/holdfast/core"
)

// checkInstance reports why in can't be announced, as an error of kind
// core.ErrInvalid that says what to do.
func checkInstance(in core.Instance) error {
	var errs []error
	if in.Service == "" {
		errs = append(errs, errors.New("the instance has no Service; name the service that peers look for"))
	}
	if len(in.Endpoints) == 0 {
		errs = append(errs, errors.New("the instance has no Endpoints; give at least one, such as http://10.0.0.7:8080"))
	}
	for i, e := range in.Endpoints {
		if err := checkEndpoint(e); err != nil {
			errs = append(errs, fmt.Errorf("endpoint %d: %w", i, err))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("announcement: %w: %w", core.ErrInvalid, errors.Join(errs...))
	}
	if err := in.Validate(); err != nil {
		return fmt.Errorf("announcement: %w", err)
	}
	return nil
}

// checkEndpoint reports why peers could not reach an endpoint.
func checkEndpoint(endpoint string) error {
	if strings.Contains(endpoint, "@") {
		// Not shown: what stands before the @ may be a password.
		return errors.New("it holds a user name or password (or a stray @), which every peer would see; write scheme://host:port only")
	}
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok || scheme == "" {
		return fmt.Errorf("%q has no scheme; write scheme://host:port, such as http://10.0.0.7:8080", endpoint)
	}
	u, err := url.Parse(endpoint)
	if err != nil || rest != u.Host || scheme != u.Scheme {
		return fmt.Errorf("%q is not of the form scheme://host:port; write the scheme in lower case, an IPv6 address in brackets, and nothing after the port", endpoint)
	}
	host := u.Hostname()
	if host == "" {
		return fmt.Errorf("%q has no host; name the address that peers reach this machine at", endpoint)
	}
	if err := checkHost(host); err != nil {
		return fmt.Errorf("%q: %w", endpoint, err)
	}
	switch port, err := strconv.ParseUint(u.Port(), 10, 16); {
	case u.Port() == "":
		return fmt.Errorf("%q has no port; write it even if it is the scheme's default", endpoint)
	case err != nil:
		return fmt.Errorf("%q has a port that is not in 1..65535", endpoint)
	case port == 0:
		return fmt.Errorf("%q has port 0; listen first and advertise the port that the listener got", endpoint)
	}
	return nil
}

// checkHost refuses addresses that are for listening or for groups. Names and
// loopback pass: peers on one machine are real.
func checkHost(host string) error {
	if host == "*" {
		return errors.New("a * is for listening, nobody can connect to it; name the address that peers reach this machine at")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	switch addr = addr.WithZone("").Unmap(); {
	case addr.IsUnspecified():
		return fmt.Errorf("%s is for listening, nobody can connect to it; name the address that peers reach this machine at", host)
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is the address of a group, not of a machine; name the address that peers reach this machine at", host)
	}
	return nil
}

// defaultID is the ID of an instance that has none: host:port of its main
// endpoint, which stays the same across restarts, so that a new incarnation
// takes the place of the one before.
func defaultID(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), u.Port())
}
