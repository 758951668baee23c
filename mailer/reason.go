package mailer

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// sqlstate matches the codes of clients that the database refused:
// "SQLSTATE:constraint", or the SQLSTATE alone. The latter must contain a digit,
// because a guard may have a name of five capital letters.
var sqlstate = regexp.MustCompile(`(?s)^([0-9A-Z]{5}):(.*)$|^([0-9A-Z]*[0-9][0-9A-Z]*)$`)

// reason returns the text for the code of an exception.
func (w *catalogue) reason(code string) string {
	if known := w.Reasons[code]; known != "" {
		return known
	}
	if found := sqlstate.FindStringSubmatch(code); found != nil && len(found[1]+found[3]) == 5 {
		if found[2] == "" {
			return fill(w.Database, "state", found[1]+found[3])
		}
		return fill(w.DatabaseConstraint, "state", found[1], "constraint", readable(found[2], false))
	}
	return fill(w.Guard, "name", readable(code, true))
}

// maxName bounds the length of a name in the table, in characters.
const maxName = 80

// readable returns a name as one short line. If words is set, underscores and
// hyphens become spaces, because guards are named like columns.
func readable(name string, words bool) string {
	name = strings.Map(func(r rune) rune {
		if words && (r == '_' || r == '-') || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxName {
		name = string(runes[:maxName-1]) + "…"
	}
	return strings.Join(strings.Fields(name), " ")
}

// byCount returns the codes, the most frequent first.
func byCount(exceptions map[string]int) []string {
	return slices.SortedFunc(maps.Keys(exceptions), func(a, b string) int {
		if exceptions[a] != exceptions[b] {
			return exceptions[b] - exceptions[a]
		}
		return strings.Compare(a, b)
	})
}
