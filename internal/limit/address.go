package limit

import "net/netip"

// Address names a network peer by its address. The lower half of an IPv6
// address is left out: one customer of a provider has all of it.
func Address(remote string) string {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown"
	}
	ip := peer.Addr().Unmap().WithZone("")
	if ip.Is6() {
		net, _ := ip.Prefix(64) // an address of 128 bits has one of 64
		return net.String()
	}
	return ip.String()
}
