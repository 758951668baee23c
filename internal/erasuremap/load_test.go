package erasuremap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/golden"
)

// A bad map ends with the problems that are expected, as comments.
const expected = "\n# Problems:\n"

func TestEveryMistakeIsReportedWhereItStands(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "*.bad.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".bad.yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(string(data), expected)
			problems := problemsOf(t, text)
			var got strings.Builder
			for _, p := range problems {
				got.WriteString("# " + strings.TrimPrefix(p.Error(), "map.yaml:") + "\n")
			}
			golden.Part(t, path, want, got.String(), text+expected+got.String())
		})
	}
}

func TestEveryGoodMapLoads(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "*.good.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			m, err := Load(path)
			if err != nil {
				t.Fatalf("unexpected problems:\n%v", err)
			}
			if m.File != path {
				t.Errorf("File = %q, want %q", m.File, path)
			}
		})
	}
}

func TestTheDesignsExampleMeansWhatItSays(t *testing.T) {
	t.Parallel()
	m := mustLoad(t, "design.good.yaml")
	clients := Name{Relation: "clients"}
	if m.Tenant.Table.Relation != "studios" || m.Tenant.Country != "country" || m.Client.Table != clients {
		t.Errorf("tenant %+v, client %+v", m.Tenant, m.Client)
	}
	if m.MinPeriod != "P30D" {
		t.Errorf("MinPeriod = %q without one in the map, want P30D", m.MinPeriod)
	}
	if g := m.Guards[2]; g.Name != "future_appointment" || !g.Overridable || g.Table.Relation != "appointments" {
		t.Errorf("third guard: %+v", g)
	}
	invoices := m.Tables[2]
	if r := invoices.Retain; r.Rule != "invoice" || r.Since != "issued_on" || len(r.Columns) != 3 || r.Columns[1].Kind != Null {
		t.Errorf("what of an invoice is retained: %+v", r)
	}
	var merges []Action
	for _, table := range m.Tables {
		merges = append(merges, table.Merge)
	}
	want := []Action{Move, Move, Move, Keep, Move, Move, Delete, Move}
	if !reflect.DeepEqual(merges, want) {
		t.Errorf("merges: %q, want %q", merges, want)
	}
	years := func(n int) []Period { return []Period{{Clock: EndOfYear, Years: n}} }
	retention := Retention{Name: "invoice", Countries: map[string][]Period{"DE": years(10), "AT": years(7)}, Otherwise: years(10)}
	retention.Pos = m.Retention[0].Pos
	if !reflect.DeepEqual(m.Retention[0], retention) {
		t.Errorf("retention: %+v, want %+v", m.Retention[0], retention)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	m := mustLoad(t, "every-key.good.yaml")
	if want := (Name{`App.Data`, `Client "VIP"`}); m.Client.Table != want {
		t.Errorf("client's table = %+v, want %+v", m.Client.Table, want)
	}
	if got := m.Client.Columns[6].Text; got != "'gone-' || :slot::text\n  || left(:tenant, 8)" {
		t.Errorf("expression = %q", got)
	}
	values := map[string]Rule{
		"true": {Kind: KeepValue}, "note": {Kind: Null}, "gone": {Kind: Null},
		"text": {Kind: Value, Text: "null"}, "flag": {Kind: Value, Text: "true"},
		"cents": {Kind: Value, Text: "010"}, "price": {Kind: Value, Text: "1.50"},
		"size": {Kind: Value, Text: "-7"}, "most": {Kind: Value, Text: "Infinity"},
		"least": {Kind: Value, Text: "-Infinity"}, "none": {Kind: Value, Text: "NaN"},
		"day": {Kind: Value, Text: "2020-01-01"}, "blank": {Kind: Value},
		"poem": {Kind: Value, Text: "one\ntwo\n"}, "last": {Kind: Label, Text: "removed"},
	}
	for _, c := range m.Tables[0].Columns {
		if want := values[c.Column]; !reflect.DeepEqual(c.Rule, want) {
			t.Errorf("rule of %s = %+v, want %+v", c.Column, c.Rule, want)
		}
	}
	merges := []Action{Move, Keep, Keep, Delete, Move, Delete, Keep}
	for i, want := range merges {
		if m.Tables[i].Merge != want {
			t.Errorf("merge of entry %d (%s) = %q, want %q", i, m.Tables[i].Table, m.Tables[i].Merge, want)
		}
	}
	if m.Retention[0].Otherwise != nil || !slices.Equal(m.Retention[0].Countries["NO"], []Period{{Clock: IssueDate, Years: 5}}) {
		t.Errorf("retention: %+v", m.Retention[0])
	}
}

func TestPositionsSurviveEveryStyleOfYAML(t *testing.T) {
	t.Parallel()
	source := strings.ReplaceAll(`# comment
version: 1
client: {table: clients, key: id, erase: delete}
ignore: [{table: "é", because: "multi
    line"}, {table: ö, because: x}]
tables:
  - table: notes    # comment
    reference: client_id
    where: >-
      folded

      over lines
    erase: keep
    columns:

      # comment
      ünï: {value: 'it''s
        long'}
      "quoted": keep
      a: {sql: |
        x }
      plain: {
        value: "ü"}
`, "      a: {sql: |\n        x }\n", "      block:\n        sql: |\n\n          x\n")
	for name, text := range map[string]string{
		"newlines":         source,
		"carriage returns": strings.ReplaceAll(source, "\n", "\r\n"),
		"byte order mark":  "\ufeff" + source,
	} {
		m, err := Parse("map.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, c := range m.Tables[0].Columns {
			rest := string([]rune(lines[c.Pos.Line-1])[c.Pos.Column-1:])
			if !strings.HasPrefix(strings.TrimPrefix(rest, `"`), c.Column) {
				t.Errorf("%s: %s is said to be at %v, where %q stands", name, c.Column, c.Pos, rest)
			}
		}
		if got := m.Ignore[1].Pos; got.Line != 5 || got.Column != 13 {
			t.Errorf("%s: the second ignored table is said to be at %v, want 5:13", name, got)
		}
	}
}

func TestWhatIsNoTextIsRefusedBeforeItIsParsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"invalid UTF-8":         {"version: 1\nclient: é\xff\n", "map.yaml:2:10: not text: a map is UTF-8 without control characters"},
		"NUL":                   {"version: \x001\n", "map.yaml:1:10: not text: a map is UTF-8 without control characters"},
		"lone carriage return":  {"version: 1\rclient: x\n", "map.yaml:1:11: not text: a map is UTF-8 without control characters"},
		"too large":             {"# " + strings.Repeat("x", MaxSize), "map.yaml: the map is larger than 1 MiB"},
		"deep brackets":         {"a: " + strings.Repeat("[", 500_000), "map.yaml:1:35: nested more than 32 levels deep"},
		"deep braces":           {strings.Repeat("{a: ", 100_000), "map.yaml:1:129: nested more than 32 levels deep"},
		"deep lists":            {strings.Repeat("- ", 100_000) + "a", "map.yaml:1:65: nested more than 32 levels deep"},
		"deep indented mapping": {indented(200), "map.yaml:33:34: nested more than 32 levels deep"},
	} {
		if got := problemsOf(t, c.text).Error(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAMapThatIsMissingIsNoProblemOfTheMap(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if _, is := errors.AsType[Problems](err); is || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v, want one that is os.ErrNotExist", err)
	}
}

func TestAFileThatIsTooLargeIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, bytes.Repeat([]byte("#\n"), MaxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("err = %v, want the size refused", err)
	}
}

func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata/%s: %v", pattern, err)
	}
	return paths
}

func mustLoad(t *testing.T, name string) *Map {
	t.Helper()
	m, err := Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatalf("unexpected problems:\n%v", err)
	}
	return m
}

func problemsOf(t *testing.T, text string) Problems {
	t.Helper()
	m, err := Parse("map.yaml", []byte(text))
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("Parse = %+v, %v; want problems", m, err)
	}
	if m != nil {
		t.Error("a map with problems was given back")
	}
	return problems
}
