package erasuremap

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxIdentifier is NAMEDATALEN-1. PostgreSQL truncates longer names, and a truncated
// name could be that of another table.
const maxIdentifier = 63

// ParseName reads a relation's name as it is written in maps and on the command
// line: clients or schema.clients. A part that contains a dot or a quote is in double
// quotes. Upper and lower case are as in the catalog, with and without quotes.
func ParseName(s string) (Name, error) {
	first, rest, err := namePart(s)
	if err != nil {
		return Name{}, err
	}
	if rest == "" {
		return Name{Relation: first}, nil
	}
	second, rest, err := namePart(rest[1:])
	if err != nil {
		return Name{}, err
	}
	if rest != "" {
		return Name{}, errors.New("too many parts: write table or schema.table")
	}
	return Name{Schema: first, Relation: second}, nil
}

// namePart returns the first part of s and the rest, which begins with a dot or is
// empty.
func namePart(s string) (part, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		part, rest, err = quotedPart(s[1:])
		if err != nil {
			return "", "", err
		}
	} else {
		part = s
		if i := strings.IndexByte(s, '.'); i >= 0 {
			part, rest = s[:i], s[i:]
		}
		if strings.Contains(part, `"`) {
			return "", "", errors.New(`a double quote inside a name: quote the whole part, "like ""this"""`)
		}
	}
	return part, rest, checkIdentifier(part)
}

func quotedPart(s string) (part, rest string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", "", errors.New("a quoted name without its closing quote")
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if !strings.HasPrefix(s, `"`) {
			break
		}
		b.WriteByte('"')
		s = s[1:]
	}
	if s != "" && s[0] != '.' {
		return "", "", errors.New("text after a quoted name: only a dot may follow")
	}
	return b.String(), s, nil
}

func checkIdentifier(s string) error {
	switch {
	case s == "":
		return errors.New("an empty name")
	case len(s) > maxIdentifier:
		return fmt.Errorf("a name of more than %d bytes, which PostgreSQL would cut", maxIdentifier)
	case strings.ContainsRune(s, 0):
		return errors.New("contains a NUL character, which PostgreSQL cannot hold")
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	}
	return nil
}

func (r *reader) name(v value) Name {
	text := r.text(v, "a table's name")
	if text == "" {
		return Name{}
	}
	n, err := ParseName(text)
	if err != nil {
		r.problemf(v.pos, "%v", err)
	}
	return n
}

func (r *reader) column(v value) string { return r.identifier(v, "a column's name") }

func (r *reader) identifier(v value, want string) string {
	text := r.text(v, want)
	if text == "" || !r.columnName(text, v.pos) {
		return ""
	}
	return text
}

// columnOf reads the name of a column, or of another table's: table.column or
// schema.table.column. A part that contains a dot is in double quotes.
func (r *reader) columnOf(v value) (Name, string) {
	var parts []string
	for rest := r.text(v, "a column's name"); rest != ""; {
		part, more, err := namePart(strings.TrimPrefix(rest, "."))
		if err != nil {
			r.problemf(v.pos, "%v", err)
			return Name{}, ""
		}
		parts, rest = append(parts, part), more
	}
	switch len(parts) {
	case 0:
		return Name{}, ""
	case 1:
		return Name{}, parts[0]
	case 2:
		return Name{Relation: parts[0]}, parts[1]
	case 3:
		return Name{Schema: parts[0], Relation: parts[1]}, parts[2]
	}
	r.problemf(v.pos, "too many parts: write column, table.column or schema.table.column")
	return Name{}, ""
}

func (r *reader) columnName(s string, at Pos) bool {
	if len(s) > 1 && strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) {
		r.problemf(at, "write the name as the catalog spells it, without SQL's quotes: %q", strings.Trim(s, `"`))
		return false
	}
	if err := checkIdentifier(s); err != nil {
		r.problemf(at, "%v", err)
		return false
	}
	return true
}

// columns reads a list of different columns. A single one may be without brackets.
func (r *reader) columns(v value) []string {
	var list []string
	seen := map[string]bool{}
	for _, item := range r.listOrOne(v, "a list of columns") {
		c := r.column(item)
		if seen[c] && c != "" {
			r.problemf(item.pos, "%q is named twice", c)
		}
		seen[c] = true
		list = append(list, c)
	}
	return list
}

func (r *reader) listOrOne(v value, want string) []value {
	if v.set {
		if _, ok := verbatim(v.node); ok {
			return []value{v}
		}
	}
	return r.items(v, want)
}

// word checks a name that is used in codes, routes and metrics.
func (r *reader) word(s string, at Pos) bool {
	ok := s != "" && len(s) <= maxIdentifier && s[0] >= 'a' && s[0] <= 'z'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
	}
	if !ok {
		r.problemf(at, "%q: want lower-case letters, digits and underscores, a letter first, at most %d", s, maxIdentifier)
	}
	return ok
}
