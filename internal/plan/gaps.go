package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// Gap is something that the map does not cover or gets wrong. Nothing is
// erased while there is one.
type Gap struct {
	Pos    erasuremap.Pos `json:"-"`
	Place  string         `json:"place"`            // in the map's file
	Table  string         `json:"table,omitempty"`  // schema.table
	Column string         `json:"column,omitempty"` // of that table
	Why    string         `json:"why"`
	Fix    string         `json:"fix"` // what to write in the map, or a statement to run
	// Found is "sample" if sampled values show the gap, and "trial" if PostgreSQL
	// refused what the map writes. Only oubli check looks at rows: workers do not know
	// of such a gap before they meet it.
	Found string `json:"found,omitempty"`
}

// String is the gap in one line.
func (g Gap) String() string {
	where := g.Table
	if g.Column != "" {
		where += "." + g.Column
	}
	s := g.Pos.String() + ": "
	if where != "" {
		s += where + ": "
	}
	s += g.Why
	if g.Fix != "" {
		s += " — " + g.Fix
	}
	return s
}

// Gaps is everything that keeps a map from being used.
type Gaps []Gap

// add records a gap. r may be nil and column empty.
func (g *Gaps) add(pos erasuremap.Pos, r *Relation, column, fix, why string, a ...any) {
	gap := Gap{Pos: pos, Place: pos.String(), Column: column, Why: fmt.Sprintf(why, a...), Fix: fix}
	if r != nil {
		gap.Table = r.qualified()
	}
	*g = append(*g, gap)
}

// Error is one line for each gap.
func (g Gaps) Error() string {
	lines := make([]string, len(g))
	for i := range g {
		lines[i] = g[i].String()
	}
	return strings.Join(lines, "\n")
}

// Tables lists the places that the gaps name, for a one-line reason.
func (g Gaps) Tables() []string {
	var names []string
	for _, gap := range g {
		name := gap.Table
		if gap.Column != "" {
			name += "." + gap.Column
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Summary is the gaps in one short line, for a job's blocked reason.
func (g Gaps) Summary() string {
	names := g.Tables()
	if len(names) == 0 && len(g) > 0 {
		return "the map does not fit the database: " + g[0].Why
	}
	more := ""
	if len(names) > 5 {
		more = fmt.Sprintf(" and %d more", len(names)-5)
		names = names[:5]
	}
	return "the map does not cover " + strings.Join(names, ", ") + more
}
