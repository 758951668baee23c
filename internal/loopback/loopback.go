// Package loopback knows which hosts only this machine can reach.
package loopback

import "net/netip"

// Host reports whether only this machine can reach the host: localhost, or an
// address of the loopback network without brackets or port. Any other name is
// not trusted to be one: it may resolve to anything later.
func Host(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
