package erasuremap

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestOrdinaryExpressionsAreLetThrough(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		"legal_hold",
		"balance_cents <> 0",
		"starts_at > now() AND status = 'booked'",
		"subject_type = 'Client' OR subject_type IN ('Lead', 'Guest')",
		"note = 'it''s; -- (no comment)'",
		`"odd ""name"" ;--(" IS NULL`,
		`path ~ '^\d+\.\w$'`,
		`note = E'it\'s; (' || U&'\0041' || B'01' || $$a;'"(--$$ || $x$ $$ ; $x$`,
		"tags[1:2] && ARRAY['a', 'b']::text[]",
		"data #>> '{a,b}' = 'x' AND data ? 'key' AND -1 - -1 < 5 / 2 * 3",
		"make_interval(days := 3) > age(born, :'x')",
		"EXISTS (SELECT FROM other o WHERE (o.id) = (id))",
		"1e5 > 0x1F AND price::numeric(10, 2) @> 1.5",
		"prénom = 'é'",
	} {
		if err := checkExpression(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func TestAnExpressionCannotReachBeyondItsParentheses(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		"", " \n", "true)", "(true", "a[1", "a]", "(a]", "[a)", ") OR (true", "a;", "a; DROP TABLE clients",
		"a -- ", "a --", "a/*", "/* a */ b", "a +--b", "'", `"`, "'a''", `"a""`, "$$", "$$a", "$a$ $b$", "$1", "a = $12", "a $ b",
		`E'a\'`, `e'\`, `E'a\\\'`, `'a\' OR b`, `'a\''`, "E'a'\n'b\\'' OR c'",
		"a$$ $$", "1$$ ) $$", "1$1", "a$1", "é$$)$$", "1E'\\' ) --'", `\! ls`, `a \; b`,
		"a\x00b", "'a\x00b'; --",
	} {
		if err := checkExpression(expr); err == nil {
			t.Errorf("%q was let through", expr)
		}
	}
}

func TestPlaceholdersAreFoundWhereAValueCanStand(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		":tenant":                           {"tenant"},
		"'gone-' || :slot::text || :tenant": {"slot", "tenant"},
		"(:slot)::text":                     {"slot"},
		"f(a := :slot, b=>:tenant)":         {"slot", "tenant"},
		"CASE WHEN :slot>1 THEN :slot END":  {"slot", "slot"},
		"-:slot +:slot":                     {"slot", "slot"},
		"ARRAY[:slot, :tenant]":             {"slot", "tenant"},
		"array [[:slot],[ :tenant ]]":       {"slot", "tenant"},
		"a[(:slot)]":                        {"slot"},
		"a[1+:slot]":                        {"slot"},
		"a[1:2]":                            nil,
		"a[low:high]":                       nil,
		"a[low : high]":                     nil,
		"a[low :high]":                      nil,
		"a[:high]":                          nil,
		"a[f(1):high]":                      nil,
		"a[b[1]:high]":                      nil,
		"(ARRAY[1,2])[low:high]":            nil,
		"a::text":                           nil,
		"a :: text":                         nil,
		"a::text::tenant":                   nil,
		"f(a := b)":                         nil,
		"f(a:=b)":                           nil,
		"':tenant'":                         nil,
		`":tenant"`:                         nil,
		"$$:tenant$$ || $a$:slot$a$":        nil,
		`E'\':tenant'`:                      nil,
		`:'tenant' || :"tenant"`:            nil,
		":e'x'":                             nil,
		": tenant":                          nil,
		"a:tenant":                          nil,
		":1":                                nil,
		":tenant_id || :Tenant || :tenanté": {"tenant_id", "Tenant", "tenanté"},
	} {
		var got []string
		for _, p := range Placeholders(expr) {
			if expr[p.Start:p.End] != ":"+p.Name {
				t.Errorf("%s: %+v spans %q", expr, p, expr[p.Start:p.End])
			}
			got = append(got, p.Name)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: placeholders %q, want %q", expr, got, want)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, expr := range []string{
		"a = 'it''s' AND (b > :slot::int OR c[1:2] = ARRAY[:tenant])",
		`E'\'' || U&"\0041" || $x$ ' $$ $x$ -- /*`, "E'a'\n'b\\''", `'a\' ) -- '`, "1E'\\''", "a$$)$$", "((\")\"))",
	} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		found := Placeholders(expr)
		end := 0
		for _, p := range found {
			if p.Start < end || p.End > len(expr) || expr[p.Start:p.End] != ":"+p.Name {
				t.Fatalf("%q: %+v", expr, found)
			}
			end = p.End
		}
		if checkExpression(expr) != nil {
			return
		}
		for _, standard := range []bool{true, false} {
			if err := escapes(expr, standard); err != nil {
				t.Errorf("%q was let through; with standard_conforming_strings=%t, %v", expr, standard, err)
			}
		}
		if end > 0 {
			if err := escapes(substitute(expr, found), true); err != nil {
				t.Errorf("%q escapes once it is given parameters: %v", expr, err)
			}
		}
	})
}

func substitute(expr string, found []Placeholder) string {
	var b strings.Builder
	end := 0
	for i, p := range found {
		fmt.Fprintf(&b, "%s$%d", expr[end:p.Start], i+1)
		end = p.End
	}
	return b.String() + expr[end:]
}

// escapes checks the same as checkExpression in another way, so that both are
// unlikely to have the same mistake: it follows the states of scan.l, removes
// quoted text and checks the rest.
func escapes(expr string, standard bool) error {
	depth := 0
	for rest := expr; rest != ""; {
		switch n, quoted := quotation(rest, standard); {
		case quoted && n < 0:
			return fmt.Errorf("a quotation swallows what follows: %q", rest)
		case quoted:
			rest = rest[n:]
			continue
		}
		switch {
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/*"), rest[0] == ';', rest[0] == 0:
			return fmt.Errorf("%q stands outside of quotes", rest)
		case rest[0] == '(':
			depth++
		case rest[0] == ')':
			depth--
		}
		if depth < 0 {
			return fmt.Errorf("the parentheses end before %q", rest)
		}
		// Skip all letters of a name or a number, so that none of them counts as
		// the E of E'…', and a $ inside a name does not begin a quotation.
		n := 1
		if nameByte(rest[0]) && rest[0] != '$' {
			digit := rest[0] >= '0' && rest[0] <= '9'
			for n < len(rest) && nameByte(rest[n]) && (!digit || rest[n] >= '0' && rest[n] <= '9') {
				n++
			}
		}
		rest = rest[n:]
	}
	if depth != 0 {
		return fmt.Errorf("%d parentheses stay open", depth)
	}
	return nil
}

func nameByte(c byte) bool {
	return strings.IndexByte("$_0123456789", c) >= 0 || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// quotation returns the length of the quotation at the begin of s, or -1 if it has
// no end.
func quotation(s string, standard bool) (int, bool) {
	if tag := dollarTag(s); tag != "" {
		n := strings.Index(s[len(tag):], tag)
		if n < 0 {
			return -1, true
		}
		return n + 2*len(tag), true
	}
	at, backslash := 0, !standard
	if s[0] == 'e' || s[0] == 'E' {
		at, backslash = 1, true
	}
	if at == len(s) || s[at] != '\'' && (s[at] != '"' || at > 0) {
		return 0, false
	}
	quote := s[at]
	for i := at + 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '\'' && backslash:
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			// A string continues after white space that contains a newline.
			next := strings.TrimLeft(s[i+1:], " \t\r\n\f\v")
			white := s[i+1 : len(s)-len(next)]
			if quote == '\'' && strings.ContainsAny(white, "\r\n") && strings.HasPrefix(next, "'") {
				i += len(white) + 1
				continue
			}
			return i + 1, true
		}
	}
	return -1, true
}

func dollarTag(s string) string {
	if s[0] != '$' {
		return ""
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case !nameByte(c), i == 1 && c >= '0' && c <= '9':
			return ""
		}
	}
	return ""
}
