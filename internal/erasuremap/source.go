package erasuremap

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds the nesting of collections. A map needs six levels. The parser is
// recursive, so that a file of a million opening brackets would exhaust its stack.
const maxDepth = 32

// source is the text of a map. It finds the places of nodes.
type source struct {
	file  string
	data  []byte
	width []int // characters of each line
}

func newSource(file string, data []byte) source {
	s := source{file: file, data: bytes.TrimPrefix(data, []byte("\ufeff"))}
	if len(s.data) > MaxSize {
		return s
	}
	// Inside a string, the lexer counts a line that ends with CR LF twice.
	s.data = bytes.ReplaceAll(s.data, []byte("\r\n"), []byte("\n"))
	for line := range bytes.SplitSeq(s.data, []byte("\n")) {
		s.width = append(s.width, utf8.RuneCount(line))
	}
	return s
}

// at returns the place of a token. The lexer adds tokens, such as an omitted value,
// with a place after the end of the line; at returns the end of the line then.
func (s *source) at(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return s.place(1, 1)
	}
	return s.place(t.Position.Line, t.Position.Column)
}

func (s *source) place(line, column int) Pos {
	line = min(max(line, 1), len(s.width))
	return Pos{File: s.file, Line: line, Column: min(max(column, 1), s.width[line-1]+1)}
}

// offset returns the place of a byte.
func (s *source) offset(i int) Pos {
	before := s.data[:i]
	start := bytes.LastIndexByte(before, '\n') + 1
	return s.place(bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[start:])+1)
}

// parse returns the only document of the map. It refuses mistakes in the YAML before
// any key is read.
func (r *reader) parse() (value, bool) {
	if len(r.data) > MaxSize {
		r.problemf(Pos{File: r.file}, "the map is larger than 1 MiB")
		return value{}, false
	}
	if i := badByte(r.data); i >= 0 {
		r.problemf(r.offset(i), "not text: a map is UTF-8 without control characters")
		return value{}, false
	}
	tokens := lexer.Tokenize(string(r.data))
	r.refuseSyntax(tokens)
	if len(r.problems) > 0 {
		return value{}, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntaxError(err)
		return value{}, false
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return r.value(doc.Body), true
		}
	}
	r.problemf(r.place(1, 1), "the map is empty: begin with version: 1")
	return value{}, false
}

func badByte(data []byte) int {
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		switch {
		case c == utf8.RuneError && size == 1, c < ' ' && c != '\n' && c != '\t', c == 0x7f:
			return i
		}
		i += size
	}
	return -1
}

func (r *reader) syntaxError(err error) {
	e, ok := errors.AsType[interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}](err)
	if !ok {
		r.problemf(r.place(1, 1), "not YAML")
		return
	}
	r.problemf(r.at(e.GetToken()), "not YAML: %s", strings.Join(strings.Fields(e.GetMessage()), " "))
}

// refuseSyntax refuses YAML features that maps do not need. With aliases and merge
// keys, one line applies in two places: a reviewer would have to search for the
// second, and a problem would have no single place.
func (r *reader) refuseSyntax(tokens token.Tokens) {
	var depth nesting
	content := false
	for i, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			r.problemf(r.at(t), "anchors, aliases and merge keys are not read in maps: write it out")
		case token.TagType:
			r.problemf(r.at(t), "tags are not read in maps: leave the tag out")
		case token.DirectiveType:
			r.problemf(r.at(t), "directives are not read in maps: leave the line out")
			return // the other tokens of the line would be reported too
		case token.MappingKeyType:
			r.problemf(r.at(t), "keys introduced by ? are not read in maps: write key: value")
		case token.DocumentHeaderType, token.DocumentEndType:
			if content && i < len(tokens)-1 {
				r.problemf(r.at(t), "a map is one document: leave out what follows")
				return
			}
		case token.CommentType:
		default:
			content = true
		}
		if depth.add(t) > maxDepth {
			r.problemf(r.at(t), "nested more than %d levels deep", maxDepth)
			return
		}
	}
}

// nesting tracks how deep collections are nested, by brackets and by indentation.
type nesting struct {
	flow  int
	block []int // columns
}

func (n *nesting) add(t *token.Token) int {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow--
	case token.SequenceEntryType:
		n.open(t)
	case token.MappingValueType:
		if t.Prev != nil {
			n.open(t.Prev)
		}
	}
	return n.flow + len(n.block)
}

func (n *nesting) open(t *token.Token) {
	if n.flow > 0 {
		return
	}
	column := t.Position.Column
	for len(n.block) > 0 && n.block[len(n.block)-1] >= column {
		n.block = n.block[:len(n.block)-1]
	}
	n.block = append(n.block, column)
}

// verbatim returns a scalar's text in PostgreSQL's text format.
func verbatim(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode:
		return map[bool]string{true: "true", false: "false"}[n.Value], true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.InfinityNode:
		if n.Value < 0 {
			return "-Infinity", true
		}
		return "Infinity", true
	case *ast.NanNode:
		return "NaN", true
	}
	return "", false
}
