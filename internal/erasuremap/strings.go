package erasuremap

import "strings"

// Strings are the strings that an expression contains, as PostgreSQL reads them. A
// string with escapes (E'…' with a backslash) is left out.
func Strings(expr string) []string {
	tokens, _ := scanExpression(expr)
	var all []string
	for _, t := range tokens {
		if t.kind != literal {
			continue
		}
		switch s := expr[t.start:t.end]; {
		case s[0] == '$':
			tag := s[:strings.IndexByte(s[1:], '$')+2]
			all = append(all, s[len(tag):len(s)-len(tag)])
		case s[0] == '\'':
			all = append(all, unquote(s))
		case !strings.Contains(s, `\`):
			all = append(all, unquote(s[1:]))
		}
	}
	return all
}

func unquote(s string) string { return strings.ReplaceAll(s[1:len(s)-1], "''", "'") }
