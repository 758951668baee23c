package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/terminal"
)

// mapVerdict is what `oubli check` found, as --json prints it. Fields may be
// added, and none goes or changes its meaning.
type mapVerdict struct {
	Covered   bool             `json:"covered"` // no gaps, and nothing that is not placed
	Map       string           `json:"map"`
	Gaps      plan.Gaps        `json:"gaps"`
	NotPlaced []plan.NotPlaced `json:"not_placed"`
	Warnings  []plan.Warning   `json:"warnings"`

	statements int
	client     string
}

func newVerdict(c app.Compiled) mapVerdict {
	v := mapVerdict{
		Covered:   len(c.Gaps)+len(c.NotPlaced) == 0,
		Map:       c.MapFile,
		Gaps:      append(plan.Gaps{}, c.Gaps...),
		NotPlaced: append([]plan.NotPlaced{}, c.NotPlaced...),
		Warnings:  append([]plan.Warning{}, c.Warnings...),
	}
	slices.SortStableFunc(v.Gaps, func(a, b plan.Gap) int {
		return cmp.Or(
			cmp.Compare(a.Table, b.Table),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Column, b.Column))
	})
	v.Gaps = slices.Compact(v.Gaps)
	slices.SortStableFunc(v.NotPlaced, func(a, b plan.NotPlaced) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Why, b.Why))
	})
	if len(v.Gaps) == 0 {
		v.statements, v.client = len(c.Plan.Erase), c.Plan.Map.Client.Table.String()
	}
	return v
}

// asGaps shows the problems of a map that cannot be read as gaps, so that both
// print alike.
func asGaps(problems erasuremap.Problems) plan.Gaps {
	var gaps plan.Gaps
	for _, p := range problems {
		gaps = append(gaps, plan.Gap{Pos: p.Pos, Place: p.Pos.String(), Why: p.Msg})
	}
	return gaps
}

// print writes the verdict for people, table by table.
func (v mapVerdict) print(w io.Writer) {
	tables := map[string]int{}
	for _, g := range v.Gaps {
		tables[g.Table]++
	}
	for i, g := range v.Gaps {
		if i == 0 || g.Table != v.Gaps[i-1].Table {
			fmt.Fprintf(w, "%s: %s\n", terminal.Printable(cmp.Or(g.Table, v.Map)), terminal.Count(tables[g.Table], "gap"))
		}
		name := ""
		if g.Column != "" {
			name = g.Column + ": "
		}
		fmt.Fprintf(w, "  %s\n", terminal.Printable(name+g.Why))
		if g.Fix != "" {
			fmt.Fprintf(w, "    fix   %s\n", terminal.Printable(g.Fix))
		}
		fmt.Fprintf(w, "    at    %s\n", g.Pos)
	}
	for i, warning := range v.Warnings {
		if i == 0 || warning.Table != v.Warnings[i-1].Table {
			fmt.Fprintf(w, "%s: warning\n", terminal.Printable(warning.Table))
		}
		fmt.Fprintf(w, "  %s\n    fix   %s\n", terminal.Printable(warning.Why), terminal.Printable(warning.Fix))
	}
	v.printNotPlaced(w)
	delete(tables, "") // what is wrong with the file itself
	in, and := "", ""
	if len(tables) > 1 {
		in = " in " + terminal.Count(len(tables), "table")
	}
	if n := len(v.Warnings); n > 0 {
		and = ", " + terminal.Count(n, "warning")
	}
	known := func(g plan.Gap) bool { return g.Found == "" }
	switch {
	case v.Covered:
		fmt.Fprintf(w, "covered: the map accounts for every row that reaches %s (%s%s)\n",
			v.client, terminal.Count(v.statements, "statement"), and)
	case len(v.Gaps) == 0:
		fmt.Fprintf(w, "no gaps, and %s not placed: the map accounts for every known path to %s (%s%s)\n",
			terminal.Count(len(v.NotPlaced), "column"), v.client, terminal.Count(v.statements, "statement"), and)
	case !slices.ContainsFunc(v.Gaps, known):
		fmt.Fprintf(w, "not covered: %s%s%s. Only this command looks at rows: workers go on.\n", terminal.Count(len(v.Gaps), "gap"), in, and)
	default:
		fmt.Fprintf(w, "not covered: %s%s%s. Nothing is erased until the gaps are fixed.\n",
			terminal.Count(len(v.Gaps), "gap"), in, and)
	}
}

// printNotPlaced lists the columns that are not placed, one line for each table and
// reason.
func (v mapVerdict) printNotPlaced(w io.Writer) {
	for i := 0; i < len(v.NotPlaced); {
		first := v.NotPlaced[i]
		var columns []string
		for ; i < len(v.NotPlaced) && v.NotPlaced[i].Table == first.Table && v.NotPlaced[i].Why == first.Why; i++ {
			columns = append(columns, v.NotPlaced[i].Column)
		}
		fmt.Fprintf(w, "%s: not placed\n  %s\n    fix   %s\n", terminal.Printable(first.Table),
			terminal.Printable(strings.Join(columns, ", ")+": "+first.Why), terminal.Printable(first.Fix))
	}
}
