package app

import "bytes"

// marked finds the wanted markers in a text or a file, whatever their case, in
// the order in which they stand: see booking.Markers.
func marked(content []byte, wanted map[string]bool) []string {
	content = bytes.ToLower(content)
	var found []string
	for _, kind := range []struct {
		prefix string
		length int // of the whole; 0: up to the end of a number of base 16
	}{{"vez", 11}, {"ext. ", 13}, {"2001:db8:", 0}} {
		for rest := content; ; {
			i := bytes.Index(rest, []byte(kind.prefix))
			if i < 0 {
				break
			}
			rest = rest[i:]
			n := kind.length
			if n == 0 {
				for n = len(kind.prefix); n < len(rest) && (rest[n] == ':' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'f'); n++ {
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
