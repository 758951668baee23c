package e2e

import (
	"bytes"
	"strconv"
	"time"
)

// taxNumbers is the first of the tax numbers that mark clients. A rounder number
// can occur in the last digits of a float: a mean of 0.7700000000000003 ms.
const taxNumbers = 7_294_618_350_000_000

// taxNumber is the number that marks a client.
func taxNumber(client int64) string { return strconv.FormatInt(taxNumbers+client, 10) }

// birthday is the date that marks a client.
func birthday(client int64) string {
	return time.Date(4000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(client)).Format(time.DateOnly)
}

// marked finds the wanted markers in a text or a file, whatever their case: see
// markersOf.
func marked(content []byte, wanted map[string]bool) []string {
	content = bytes.ToLower(content)
	var found []string
	for _, kind := range []struct {
		prefix string
		length int // of the whole; 0: up to the end of a number of base 16
	}{{"vez", 11}, {"ext. ", 13}, {"2001:db8:", 0}, {"40", 10}, {"729461835", 16}} {
		for rest := content; ; {
			i := bytes.Index(rest, []byte(kind.prefix))
			if i < 0 {
				break
			}
			rest = rest[i:]
			n := kind.length
			if n == 0 {
				digit := func(c byte) bool { return c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
				for n = len(kind.prefix); n < len(rest) && digit(rest[n]); n++ {
				}
			}
			if n <= len(rest) && wanted[string(rest[:n])] {
				found = append(found, string(rest[:n]))
			}
			rest = rest[len(kind.prefix):]
		}
	}
	return found
}
