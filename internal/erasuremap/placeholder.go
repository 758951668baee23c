package erasuremap

import "strings"

// The placeholders that {sql: …} rules may use.
const (
	TenantPlaceholder = "tenant" // the key of the tenant
	SlotPlaceholder   = "slot"   // the number of the anonymous profile, from 1
)

// Placeholder is a :name in an expression; expr[Start:End] is ":name".
type Placeholder struct {
	Name       string
	Start, End int
}

// Placeholders finds the placeholders of an expression, in order. A colon in a string
// or in a quoted name does not begin a placeholder, nor does it in a::cast, f(a := 1)
// or a slice such as a[1:2] or a[low:high]. In a subscript, a placeholder must be in
// parentheses: a[(:slot)]. Replace placeholders with parameters, never with text:
// after a minus sign, a negative number would begin a comment.
func Placeholders(expr string) []Placeholder {
	tokens, _ := scanExpression(expr)
	var (
		found    []Placeholder
		brackets []bracket
	)
	for i, t := range tokens {
		if t.kind != symbol {
			continue
		}
		switch expr[t.start:t.end] {
		case "(":
			brackets = append(brackets, parenthesis)
		case "[":
			brackets = append(brackets, openedBy(expr, tokens[:i], brackets))
		case ")", "]":
			if len(brackets) > 0 {
				brackets = brackets[:len(brackets)-1]
			}
		case ":":
			if i+1 == len(tokens) || tokens[i+1].kind != word || tokens[i+1].start != t.end {
				continue
			}
			if afterOperand(expr, tokens[:i], t.start, innermost(brackets)) {
				continue
			}
			name := tokens[i+1]
			found = append(found, Placeholder{Name: expr[name.start:name.end], Start: t.start, End: name.end})
		}
	}
	return found
}

// bracket is the kind of an open bracket.
type bracket int

const (
	parenthesis bracket = iota
	subscript           // a[…]: a colon in it separates the bounds of a slice
	constructor         // ARRAY[…]: a colon in it begins a placeholder
)

func innermost(open []bracket) bracket {
	if len(open) == 0 {
		return parenthesis
	}
	return open[len(open)-1]
}

func openedBy(expr string, before []exprToken, open []bracket) bracket {
	if len(before) == 0 {
		return subscript
	}
	last := before[len(before)-1]
	text := expr[last.start:last.end]
	if last.kind == word && strings.EqualFold(text, "array") {
		return constructor
	}
	if innermost(open) == constructor && (text == "[" || text == ",") {
		return constructor
	}
	return subscript
}

// afterOperand reports whether a colon at start follows a value, and therefore
// separates the bounds of a slice. Outside of subscripts only a token directly before
// the colon counts, because a keyword looks like a name.
func afterOperand(expr string, before []exprToken, start int, in bracket) bool {
	if len(before) == 0 {
		return false
	}
	last := before[len(before)-1]
	if in != subscript && last.end != start {
		return false
	}
	if last.kind != symbol {
		return true
	}
	switch expr[last.start:last.end] {
	case ")", "]":
		return true
	case "[":
		return in == subscript
	}
	return false
}
