package limit

import "net/netip"

// Address returns the address of a network peer, without its port, as a key for a
// [Limiter]. Of an IPv6 address it returns the /64 network, because one customer
// of a provider usually has all addresses of it.
func Address(remote string) string {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown"
	}
	ip := peer.Addr().Unmap().WithZone("")
	if ip.Is6() {
		net, _ := ip.Prefix(64) // never fails for an IPv6 address
		return net.String()
	}
	return ip.String()
}
