package mailer

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// sqlstate finds the codes of clients that the database refused:
// "SQLSTATE:constraint", or the state alone. The digit keeps a guard that is
// named in five capitals apart.
var sqlstate = regexp.MustCompile(`(?s)^([0-9A-Z]{5}):(.*)$|^([0-9A-Z]*[0-9][0-9A-Z]*)$`)

// reason puts the code of an exception into words.
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

// maxName keeps a code that somebody made very long from spoiling the table.
const maxName = 80

// readable makes one short line of a name. Guards are named like columns; with
// words, their underscores become spaces.
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

// byCount orders codes, the most frequent first.
func byCount(exceptions map[string]int) []string {
	return slices.SortedFunc(maps.Keys(exceptions), func(a, b string) int {
		if exceptions[a] != exceptions[b] {
			return exceptions[b] - exceptions[a]
		}
		return strings.Compare(a, b)
	})
}
