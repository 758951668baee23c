package erasuremap

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, path := range files(f, "*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("map.yaml", data)
		if err != nil {
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) == 0 || m != nil {
				t.Fatalf("Parse = %v, %#v; want no map and problems", m, err)
			}
			mustStandInside(t, data, problems)
			return
		}
		for _, sql := range expressions(m) {
			if err := checkExpression(sql); err != nil {
				t.Errorf("%q was let through: %v", sql, err)
			}
		}
		for _, table := range m.Tables {
			if table.Merge == "" || table.Erase == "" {
				t.Errorf("an entry without an action: %+v", table)
			}
			if n, err := ParseName(table.Table.String()); err != nil || n != table.Table {
				t.Errorf("%+v is written as %s, which reads as %+v, %v", table.Table, table.Table, n, err)
			}
		}
		if again, err := Parse("map.yaml", data); err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("read twice: %+v and %+v, %v", m, again, err)
		}
	})
}

func mustStandInside(t *testing.T, data []byte, problems Problems) {
	t.Helper()
	lines := bytes.Split(bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\r\n"), []byte("\n")), []byte("\n"))
	if !slices.IsSortedFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	}) {
		t.Errorf("problems are not in the file's order:\n%v", problems)
	}
	for _, p := range problems {
		line, column := p.Pos.Line, p.Pos.Column
		if line < 1 || line > len(lines) || column < 1 || column > utf8.RuneCount(lines[line-1])+1 {
			t.Errorf("outside of the file's %d lines: %v", len(lines), p)
		}
		if strings.ContainsAny(p.Msg, "\n\r") || p.Msg == "" {
			t.Errorf("not one line: %q", p.Msg)
		}
	}
}

// expressions lists every piece of SQL in the map.
func expressions(m *Map) []string {
	var list []string
	add := func(rules []ColumnRule) {
		for _, c := range rules {
			if c.Kind == SQL {
				list = append(list, c.Text)
			}
		}
	}
	for _, g := range m.Guards {
		list = append(list, g.Where)
	}
	for _, a := range m.Activity {
		list = append(list, a.Where)
	}
	add(m.Client.Columns)
	add(m.Client.Anonymous)
	for _, t := range m.Tables {
		list = append(list, t.Where)
		add(t.Columns)
		if t.Retain != nil {
			add(t.Retain.Columns)
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"clients", "a.b", `"a.b"."c""d"`, `"a`, "a.", `"".""`, "Ä.ß"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if n.Relation == "" || len(n.Relation) > 63 || len(n.Schema) > 63 || strings.Contains(n.Schema+n.Relation, "\x00") {
			t.Errorf("ParseName(%q) = %+v", s, n)
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("ParseName(%q) = %+v, but %s reads as %+v, %v", s, n, n, again, err)
		}
	})
}
