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

	// Every marker begins with this; no name, street or text of the generator
	// has it followed by four syllables.
	markerPrefix = "vez"
)

// MarkerPattern finds the markers of any client in a text, as a PostgreSQL
// regular expression to be matched without regard to case.
const MarkerPattern = `vez(?:[b-df-hj-npr-tv-z][aeiou]){4}|ext\. [0-9]{8}|2001:db8:[0-9a-f:]+`

// Marker is the syllables by which every trace of a client can be found, such
// as "vezkimudapo": the second half of the surname, and therefore in the e-mail
// address and wherever a name is written; part of the street; and in every free
// text and JSON value about the client. It is lower case, names begin it with a
// capital: search without regard to case. It panics unless 0 < clientID <
// [MaxClients].
func Marker(clientID int64) string {
	mustBeMarkable(clientID)
	// Multiplying by a number prime to 100⁴ keeps markers distinct and makes
	// those of neighbours look nothing alike.
	n := clientID * 38_196_601 % MaxClients
	b := []byte(markerPrefix)
	for range 4 {
		syllable := n % 100
		b = append(b, onsets[syllable/5], vowels[syllable%5])
		n /= 100
	}
	return string(b)
}

// Markers is everything that stands for one client alone: [Marker], the
// extension of the telephone number, and the IP address. A first name, a date of
// birth and a postcode carry none; they stand in no row without one.
func Markers(clientID int64) []string {
	return []string{Marker(clientID), extension(clientID), address(clientID).String()}
}

// extension tells apart the many clients who have to share the few telephone
// numbers that exist for fiction.
func extension(clientID int64) string {
	mustBeMarkable(clientID)
	return fmt.Sprintf("ext. %08d", clientID)
}

// address is out of the block for documentation (RFC 3849).
func address(clientID int64) netip.Addr {
	mustBeMarkable(clientID)
	ip := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	for i := range 4 {
		ip[15-i] = byte(clientID >> (8 * i))
	}
	return netip.AddrFrom16(ip)
}

func mustBeMarkable(clientID int64) {
	if clientID <= 0 || clientID >= MaxClients {
		panic(fmt.Sprintf("booking: client %d has no marker", clientID))
	}
}

// surname is a family name with the client's marker: "Moreau-Vezkimudapo".
func surname(family, marker string) string {
	return family + "-" + strings.ToUpper(marker[:1]) + marker[1:]
}
