package erasuremap

import (
	"errors"
	"fmt"
	"strings"
)

// Package plan puts expressions of the map into statements, in parentheses, and
// PostgreSQL checks them. This file checks before that an expression cannot close
// these parentheses, end the statement or open a quotation that stays open, with
// any settings of the server. It reads tokens as PostgreSQL's lexer
// (src/backend/parser/scan.l) does, and refuses the few forms that different
// versions or settings of the server read differently.

// tokenKind is the kind of an exprToken.
type tokenKind int

const (
	word    tokenKind = iota // a keyword or a name without quotes
	number                   // digits
	literal                  // a string of any kind
	quoted                   // a name in double quotes
	symbol                   // one character, or :: or :=
)

// exprToken is a token and its bytes expr[start:end].
type exprToken struct {
	kind       tokenKind
	start, end int
}

// scanExpression returns the tokens of expr. If there is a mistake, it returns the
// tokens before it.
func scanExpression(expr string) ([]exprToken, error) {
	var tokens []exprToken
	for i := 0; i < len(expr); {
		if strings.IndexByte(" \t\n\r\f\v", expr[i]) >= 0 {
			i++
			continue
		}
		kind, n, err := nextToken(expr, i)
		if err != nil {
			return tokens, err
		}
		tokens = append(tokens, exprToken{kind, i, i + n})
		i += n
	}
	return tokens, nil
}

func nextToken(expr string, i int) (tokenKind, int, error) {
	s := expr[i:]
	switch c := s[0]; {
	case c == 0:
		return symbol, 0, errors.New("contains a NUL character, which PostgreSQL cannot hold")
	case c == '\'':
		n, err := plainString(s)
		return literal, n, err
	case c == '"':
		n, err := quotedName(s)
		return quoted, n, err
	case c == '$':
		if i > 0 && isWord(expr[i-1]) {
			return symbol, 0, errors.New("a name that contains $ must be in double quotes")
		}
		n, err := dollarString(s)
		return literal, n, err
	case (c == 'e' || c == 'E') && strings.HasPrefix(s[1:], "'"):
		if i > 0 && isDigit(expr[i-1]) {
			return symbol, 0, errors.New("a number runs into a string: put a space between them")
		}
		n, err := escapeString(s[1:])
		return literal, n + 1, err
	case isDigit(c):
		return number, span(s, isDigit), nil
	case isWord(c):
		return word, span(s, isWord), nil
	case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "/*"):
		return symbol, 0, errors.New("a comment inside an SQL expression could swallow what follows: use YAML's #")
	case c == ';':
		return symbol, 0, errors.New("a semicolon would end the statement: write one expression")
	case c == '\\':
		return symbol, 0, errors.New("a backslash outside of a string means nothing to PostgreSQL")
	case strings.HasPrefix(s, "::"), strings.HasPrefix(s, ":="):
		return symbol, 2, nil
	}
	return symbol, 1, nil
}

// plainString returns the length of a string in which ” means a quote. \' means a
// quote too if standard_conforming_strings is off, or if the string continues an
// E'…'. A string that would end at another place then is refused.
func plainString(s string) (int, error) {
	backslashes := 0
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			backslashes++
			continue
		case s[i] != '\'':
		case backslashes%2 == 1:
			return 0, errors.New("a backslash before a quote is read differently by different servers: write E'…' with \\\\")
		case strings.HasPrefix(s[i+1:], "'"):
			i++
		default:
			return i + 1, nil
		}
		backslashes = 0
	}
	return 0, errors.New("a string is not closed")
}

func escapeString(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] != '\'':
		case strings.HasPrefix(s[i+1:], "'"):
			i++
		default:
			return i + 1, nil
		}
	}
	return 0, errors.New("a string is not closed")
}

func quotedName(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
		case strings.HasPrefix(s[i+1:], `"`):
			i++
		default:
			return i + 1, nil
		}
	}
	return 0, errors.New("a name in double quotes is not closed")
}

func dollarString(s string) (int, error) {
	tag := 1 + span(s[1:], isWord)
	switch {
	case tag < len(s) && s[tag] == '$' && !isDigit(s[1]):
		delimiter := s[:tag+1]
		n := strings.Index(s[tag+1:], delimiter)
		if n < 0 {
			return 0, fmt.Errorf("a string that begins with %q is not closed", delimiter)
		}
		return tag + 1 + n + len(delimiter), nil
	case len(s) > 1 && isDigit(s[1]):
		return 0, errors.New("numbered parameters are oubli's own: write :tenant or :slot in {sql: …} rules")
	}
	return 0, errors.New("a $ means nothing here")
}

// checkExpression returns an error if expr must not be put in parentheses.
func checkExpression(expr string) error {
	tokens, err := scanExpression(expr)
	if err != nil {
		return err
	}
	closing := map[string]string{"(": ")", "[": "]"}
	var open []string
	for _, t := range tokens {
		switch text := expr[t.start:t.end]; {
		case t.kind != symbol:
		case text == "(" || text == "[":
			open = append(open, closing[text])
		case text == ")" || text == "]":
			if len(open) == 0 || open[len(open)-1] != text {
				return fmt.Errorf("a %q without its opening one", text)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("a %q is missing", open[len(open)-1])
	}
	if len(tokens) == 0 {
		return errors.New("the expression is empty")
	}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord reports whether a byte belongs to a name. As in scan.l, every byte above
// ASCII does.
func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c >= 0x80
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}
