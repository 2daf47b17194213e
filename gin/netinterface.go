package holdfastgin

import (
	"net"
	"net/netip"
	"strings"
)

// netInterface is one of the machine's, as far as it matters here.
type netInterface struct {
	name  string
	flags net.Flags
	addrs []netip.Addr
}

// machineInterfaces lists the interfaces in the machine's order.
func machineInterfaces() ([]netInterface, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	all := make([]netInterface, 0, len(interfaces))
	for _, i := range interfaces {
		one := netInterface{name: i.Name, flags: i.Flags}
		// An interface whose addresses can't be read is one without addresses.
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(p.IP); ok {
					one.addrs = append(one.addrs, ip.Unmap())
				}
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// bridges begin the names of interfaces that lead to this machine's own
// containers and virtual machines.
var bridges = []string{"docker", "br-", "veth", "virbr", "vboxnet", "vmnet", "cni", "flannel", "cali", "podman", "lxc", "kube-"}

// firstReal finds the first interface that leads out of the machine, IPv4 before
// IPv6.
func firstReal(all []netInterface) (name string, ip netip.Addr, ok bool) {
	for _, v4 := range []bool{true, false} {
		for _, i := range all {
			if i.flags&net.FlagUp == 0 || i.flags&net.FlagLoopback != 0 || bridge(i.name) {
				continue
			}
			for _, a := range i.addrs {
				if a.Is4() == v4 && usable(a) {
					return i.name, a, true
				}
			}
		}
	}
	return "", netip.Addr{}, false
}

func bridge(name string) bool {
	for _, prefix := range bridges {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// usable reports whether peers on other machines could reach an address.
func usable(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsLinkLocalUnicast()
}
