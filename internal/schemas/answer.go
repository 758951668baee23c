package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Answer puts answers into a map's draft. Each line of answers is
//
//	path = value    replaces the value at the path, a TODO or a proposal
//	path -          removes the key or the list's item
//	# …             is a comment
//
// A path is made of keys; of a list's items by their table and reference, by
// table and owned_by, or by name: tables.visits.client_id.columns.note. A
// second item of the same name ends in #2. An answer to nothing is an error: it
// has outlived its question.
func Answer(draft, answers string) (string, error) {
	var errs []error
	for i, text := range strings.Split(answers, "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		var err error
		if draft, err = answer(draft, text); err != nil {
			errs = append(errs, fmt.Errorf("answer %d: %w", i+1, err))
		}
	}
	return draft, errors.Join(errs...)
}

func answer(draft, text string) (string, error) {
	path, value, set := strings.Cut(text, " = ")
	if !set {
		var drop bool
		if path, drop = strings.CutSuffix(text, " -"); !drop {
			return draft, fmt.Errorf("%q: want path = value, or path -", text)
		}
	}
	places, err := placesOf(draft)
	if err != nil {
		return draft, err
	}
	at, ok := places[path]
	if !ok {
		return draft, fmt.Errorf("nothing at %s", path)
	}
	lines := strings.Split(draft, "\n")
	if !set {
		end := at.line + 1
		for end < len(lines) && (indent(lines[end]) > at.indent || lines[end] == "") {
			end++
		}
		for lines[end-1] == "" {
			end--
		}
		return strings.Join(slices.Delete(lines, at.line, end), "\n"), nil
	}
	line := lines[at.line]
	rest := line[at.column:]
	end := len(rest)
	if i := strings.Index(rest, "  # "); i >= 0 {
		end = i
	}
	if at.flow {
		end = strings.IndexAny(rest, ",}")
	}
	lines[at.line] = line[:at.column] + strings.TrimSpace(value) + rest[end:]
	return strings.Join(lines, "\n"), nil
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// place is the position of a key's value or of an item.
type place struct {
	line, column int // of the value, counted from 0
	indent       int // of the key
	flow         bool
}

func placesOf(draft string) (map[string]place, error) {
	file, err := parser.ParseBytes([]byte(draft), 0)
	if err != nil {
		return nil, err
	}
	places := map[string]place{}
	lines := strings.Split(draft, "\n")
	for _, doc := range file.Docs {
		walk(places, lines, "", doc.Body, false)
	}
	return places, nil
}

func walk(places map[string]place, lines []string, prefix string, n ast.Node, flow bool) {
	switch n := n.(type) {
	case ast.MapNode:
		if m, ok := n.(*ast.MappingNode); ok {
			flow = flow || m.IsFlowStyle
		}
		for it := n.MapRange(); it.Next(); {
			key := it.Key().GetToken()
			name := prefix + key.Value
			line := key.Position.Line - 1
			column := key.Position.Column - 1 + len(strings.TrimRight(key.Origin, " "))
			if i := strings.Index(lines[line][key.Position.Column-1:], ":"); i >= 0 {
				column = key.Position.Column - 1 + i + 1
			}
			for column < len(lines[line]) && lines[line][column] == ' ' {
				column++
			}
			places[name] = place{line: line, column: column, indent: key.Position.Column - 1, flow: flow}
			walk(places, lines, name+".", it.Value(), flow)
		}
	case *ast.SequenceNode:
		for _, item := range n.Values {
			m, ok := item.(ast.MapNode)
			if !ok {
				continue
			}
			name := prefix + label(m)
			for i := 2; ; i++ {
				if _, taken := places[name]; !taken {
					break
				}
				name = fmt.Sprintf("%s%s#%d", prefix, label(m), i)
			}
			line := item.GetToken().Position.Line - 1
			places[name] = place{line: line, indent: indent(lines[line])}
			walk(places, lines, name+".", item, false)
		}
	}
}

func label(m ast.MapNode) string {
	of := map[string]string{}
	for it := m.MapRange(); it.Next(); {
		of[it.Key().GetToken().Value] = it.Value().GetToken().Value
	}
	if of["name"] != "" {
		return of["name"]
	}
	return strings.TrimSuffix(of["table"]+"."+of["reference"]+of["owned_by"], ".")
}
