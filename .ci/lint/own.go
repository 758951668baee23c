package main

import (
	"bufio"
	"bytes"
	"go/ast"
	"strings"
	"unicode/utf8"

	"golang.org/x/tools/go/analysis"
)

const longest = 140

// lineLength leaves out the lines of struct tags, which are one literal and
// cannot be broken.
var lineLength = &analysis.Analyzer{
	Name: "linelength",
	Doc:  "linelength reports lines of more than 140 characters",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, f := range pass.Files {
			file := pass.Fset.File(f.Pos())
			text, err := pass.ReadFile(file.Name())
			if err != nil {
				return nil, err
			}
			tagged := map[int]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok && field.Tag != nil {
					tagged[file.Line(field.Tag.Pos())] = true
				}
				return true
			})
			lines := bufio.NewScanner(bytes.NewReader(text))
			lines.Buffer(nil, len(text)+1)
			for n := 1; lines.Scan(); n++ {
				line := lines.Text()
				if length := utf8.RuneCountInString(line); length > longest && !tagged[n] && !strings.HasPrefix(line, "//go:") {
					pass.Reportf(file.LineStart(n), "the line has %d characters, at most %d are wanted", length, longest)
				}
			}
		}
		return nil, nil
	},
}

var noInit = &analysis.Analyzer{
	Name: "noinit",
	Doc:  "noinit reports functions named init: no line of the code says that it runs",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, f := range pass.Files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					pass.Reportf(fn.Name.Pos(), "func init: call it from where it is needed, or use a variable's initialiser")
				}
			}
		}
		return nil, nil
	},
}
