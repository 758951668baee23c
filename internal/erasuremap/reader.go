package erasuremap

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// reader turns YAML nodes into parts of a map and collects problems. After a problem
// its methods return a zero value, so that reading continues and each mistake is
// reported once.
type reader struct {
	source
	problems  Problems
	hasTenant bool
	ownLabels map[string]map[string]string
}

func (r *reader) problemf(at Pos, format string, args ...any) {
	r.problems = append(r.problems, Problem{Pos: at, Msg: fmt.Sprintf(format, args...)})
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// value is a node and its place. If set is false there is no node, and the place is
// that of the mapping in which it is missing.
type value struct {
	set  bool
	node ast.Node
	pos  Pos
}

func (r *reader) value(n ast.Node) value {
	v := value{set: true, node: n, pos: r.at(n.GetToken())}
	// The token of a block mapping is the colon after its first key.
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			v.pos = r.at(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		v.pos = r.at(n.Key.GetToken())
	}
	return v
}

// is describes a value, for the text after "got" in a problem.
func (v value) is() string {
	switch n := v.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		if n.GetToken().Type == token.ImplicitNullType {
			return "nothing"
		}
		return "null"
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "text"
}

func (v value) null() bool { return v.set && v.node.Type() == ast.NullType }

// todo reports a TODO that oubli map init wrote and that nobody has replaced yet.
func (r *reader) todo(v value) bool {
	text, _ := verbatim(v.node)
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "TODO")
	if !ok || rest != "" && isWord(rest[0]) {
		return false
	}
	r.problemf(v.pos, "answer the TODO")
	return true
}

// entry is one key of a mapping with its value.
type entry struct {
	key string
	at  Pos // of the key
	value
}

// mapping returns a mapping's entries in the file's order. A key without a value
// is an empty mapping: all of its lines may be commented out.
func (r *reader) mapping(v value, want string) ([]entry, bool) {
	if !v.set || v.null() {
		return nil, true
	}
	if r.todo(v) {
		return nil, false
	}
	node, ok := v.node.(ast.MapNode)
	if !ok {
		r.problemf(v.pos, "want %s, got %s", want, v.is())
		return nil, false
	}
	var entries []entry
	first := map[string]Pos{}
	for it := node.MapRange(); it.Next(); {
		key, pos, ok := r.key(it.Key())
		if !ok {
			continue
		}
		if before, twice := first[key]; twice {
			r.problemf(pos, "%q is given twice, first on line %d", key, before.Line)
			continue
		}
		first[key] = pos
		e := entry{key: key, at: pos, value: r.value(it.Value())}
		if e.is() == "nothing" {
			e.pos = pos
		}
		entries = append(entries, e)
	}
	return entries, true
}

func (r *reader) key(n ast.MapKeyNode) (string, Pos, bool) {
	pos := r.at(n.GetToken())
	s, ok := n.(*ast.StringNode)
	if !ok {
		r.problemf(pos, "this key is not text to YAML: write it in quotes")
		return "", pos, false
	}
	return s.Value, pos, r.clean(s.Value, pos)
}

// clean refuses text that PostgreSQL cannot store. YAML escapes can produce such text.
func (r *reader) clean(text string, at Pos) bool {
	if strings.ContainsRune(text, 0) {
		r.problemf(at, "contains a NUL character, which PostgreSQL cannot hold")
		return false
	}
	if !utf8.ValidString(text) {
		r.problemf(at, "is not valid UTF-8")
		return false
	}
	return true
}

// items returns the values of a list. A key without a value is an empty list.
func (r *reader) items(v value, want string) []value {
	if !v.set || v.null() || r.todo(v) {
		return nil
	}
	node, ok := v.node.(*ast.SequenceNode)
	if !ok {
		r.problemf(v.pos, "want %s, got %s", want, v.is())
		return nil
	}
	values := make([]value, len(node.Values))
	for i, n := range node.Values {
		values[i] = r.value(n)
	}
	return values
}

// text returns text that is not empty, and "" for anything else.
func (r *reader) text(v value, want string) string {
	if !v.set || r.todo(v) {
		return ""
	}
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		r.problemf(v.pos, "want %s, got %s: write it in quotes", want, v.is())
		return ""
	default:
		r.problemf(v.pos, "want %s, got %s", want, v.is())
		return ""
	}
	text, _ := verbatim(v.node)
	if !r.clean(text, v.pos) {
		return ""
	}
	if strings.TrimSpace(text) == "" {
		r.problemf(v.pos, "want %s, got empty text", want)
		return ""
	}
	return text
}

func (r *reader) flag(v value) bool {
	if !v.set || r.todo(v) {
		return false
	}
	b, ok := v.node.(*ast.BoolNode)
	if !ok {
		r.problemf(v.pos, "want true or false, got %s", v.is())
		return false
	}
	return b.Value
}

func (r *reader) years(v value) int {
	if r.todo(v) {
		return 0
	}
	text, _ := verbatim(v.node)
	n, err := strconv.Atoi(text)
	if _, number := v.node.(*ast.IntegerNode); !number || err != nil || n < 0 || n > 100 {
		r.problemf(v.pos, "want whole years from 0 to 100")
		return 0
	}
	return n
}

// choice returns one of the allowed words, and "" for anything else.
func choice[T ~string](r *reader, v value, allowed ...T) T {
	if !v.set || r.todo(v) {
		return ""
	}
	known := make([]string, len(allowed))
	for i, a := range allowed {
		known[i] = string(a)
	}
	text, ok := verbatim(v.node)
	if !ok {
		r.problemf(v.pos, "want %s, got %s", alternatives(known), v.is())
		return ""
	}
	for _, a := range allowed {
		if text == string(a) {
			return a
		}
	}
	r.problemf(v.pos, "unknown %q: %s", text, suggest(text, known))
	return ""
}
