package plan

import (
	"regexp"
	"strings"
	"unicode"
)

// withoutNotNull is an index predicate without "column IS NOT NULL". That is the
// most common condition on a reference, and a change from one key to another
// does not affect it.
func withoutNotNull(predicate, column string) string {
	name := regexp.QuoteMeta(column) + "|" + regexp.QuoteMeta(ident(column))
	return regexp.MustCompile(`(^|[^\w"$])(?:`+name+`) IS NOT NULL`).ReplaceAllString(predicate, "${1}true")
}

// leavesWithNull reports whether a row leaves the partial index when the column
// becomes NULL: the predicate requires that it is not.
func (x *Index) leavesWithNull(column string) bool {
	rest := withoutNotNull(x.Predicate, column)
	return rest != x.Predicate && !alternatives.MatchString(rest)
}

// mentions reports whether an expression could name the column.
func mentions(expr, column string) bool {
	column = strings.ReplaceAll(column, `"`, `""`)
	for rest := expr; ; {
		i := strings.Index(rest, column)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(column):]
		if !wordAtEnd(before) && !wordAtStart(after) {
			return true
		}
		rest = rest[i+1:]
	}
}

func wordAtEnd(s string) bool { return s != "" && isWord(s[len(s)-1]) }

func wordAtStart(s string) bool { return s != "" && isWord(s[0]) }

func isWord(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// singular cuts the ending that turns one client into several.
func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ies"):
		return strings.TrimSuffix(name, "ies") + "y"
	case strings.HasSuffix(name, "sses"):
		return strings.TrimSuffix(name, "es")
	case strings.HasSuffix(name, "ss"):
		return name
	}
	return strings.TrimSuffix(name, "s")
}

// snake spells clientId, ClientID and "client id" as client_id.
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, l := range letters {
		switch {
		case !unicode.IsLetter(l) && !unicode.IsDigit(l):
			l = '_'
		case unicode.IsUpper(l) && i > 0:
			afterLower := unicode.IsLower(letters[i-1]) || unicode.IsDigit(letters[i-1])
			endsAcronym := unicode.IsUpper(letters[i-1]) && i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if afterLower || endsAcronym {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(l))
	}
	return b.String()
}
