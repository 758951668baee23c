package booking

import (
	"fmt"
	"net/netip"
	"strings"
)

// MaxClients is how many clients can have a marker of their own.
const MaxClients = 100_000_000

const (
	onsets = "bcdfghjklmnprstvwxyz"
	vowels = "aeiou"

	// Every marker begins with this. In no other text of the generator do four
	// syllables follow it.
	markerPrefix = "vez"
)

// MarkerPattern is a PostgreSQL regular expression that finds the markers of all
// clients in a text. Match it without regard to case.
const MarkerPattern = `vez(?:[b-df-hj-npr-tv-z][aeiou]){4}|ext\. [0-9]{8}|2001:db8:[0-9a-f:]+`

// Marker returns the syllables by which every trace of a client can be found,
// such as "vezkimudapo". They are the second half of the surname, and so in the
// e-mail address and wherever the name is written; part of the street; and in
// every free text and JSON value about the client. Search without regard to case:
// the marker is lower case, but in names it begins with a capital. Marker panics
// unless 0 < clientID < [MaxClients].
func Marker(clientID int64) string {
	mustHaveMarker(clientID)
	// The factor has no divisor in common with 100⁴, so markers are distinct; and
	// the markers of consecutive ids look different.
	n := clientID * 38_196_601 % MaxClients
	b := []byte(markerPrefix)
	for range 4 {
		syllable := n % 100
		b = append(b, onsets[syllable/5], vowels[syllable%5])
		n /= 100
	}
	return string(b)
}

// Markers returns all values that only one client has: [Marker], the extension
// of the telephone number, and the IP address. First name, date of birth and
// postcode contain no marker, but each row that has one of them has a marker too.
func Markers(clientID int64) []string {
	return []string{Marker(clientID), extension(clientID), address(clientID).String()}
}

// extension distinguishes the telephone numbers of clients: there are only a few
// numbers for fiction.
func extension(clientID int64) string {
	mustHaveMarker(clientID)
	return fmt.Sprintf("ext. %08d", clientID)
}

// address is an IP address of the block for documentation (RFC 3849).
func address(clientID int64) netip.Addr {
	mustHaveMarker(clientID)
	ip := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	for i := range 4 {
		ip[15-i] = byte(clientID >> (8 * i))
	}
	return netip.AddrFrom16(ip)
}

func mustHaveMarker(clientID int64) {
	if clientID <= 0 || clientID >= MaxClients {
		panic(fmt.Sprintf("booking: client %d has no marker", clientID))
	}
}

// surname is a family name with the client's marker: "Moreau-Vezkimudapo".
func surname(family, marker string) string {
	return family + "-" + strings.ToUpper(marker[:1]) + marker[1:]
}
