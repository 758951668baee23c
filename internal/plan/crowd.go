package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// crowdStatements ask, for each unique index that keeps re-pointed rows apart,
// how many profiles the clients' rows want: the most that meet in one place,
// with those that the lane's profiles already have there. A chunk that finds
// too few profiles has worked in vain, so they are made for a whole batch.
func (c *compiler) crowdStatements() []Statement {
	var all []Statement
	for _, e := range c.entry {
		if e.Erase != erasuremap.Reassign {
			continue
		}
		for _, x := range c.collisions(e) {
			all = append(all, c.crowd(e, x))
		}
	}
	return all
}

func (c *compiler) crowd(e *entry, x collision) Statement {
	t, name := &text{}, c.name(e.rel)
	var mine, places []string
	for i, o := range x.others {
		mine = append(mine, fmt.Sprintf("%s AS oubli_o%d", o, i))
		places = append(places, fmt.Sprintf("mine.oubli_o%d", i))
	}
	applies := x.applies()
	if x.takesEveryRow() {
		applies = ""
	}
	// OFFSET 0 keeps the names of the two uses of the table apart.
	t.add("SELECT coalesce(max(wanted), 0)\nFROM (\n  SELECT count(*) + (SELECT count(*) FROM %s AS \"x\" WHERE %s = ANY(%s) AND %s) AS wanted\n",
		e.rel.ident(), ident("x", e.Reference), t.array(Arg{Kind: ArgProfiles}, keyType(e.reference, c.key)), x.meets("mine", slices.Clone(x.others)))
	t.add("  FROM (SELECT %s FROM %s AS \"t\" WHERE %s OFFSET 0) AS mine\n  GROUP BY %s) AS places",
		strings.Join(mine, ", "), e.rel.ident(), where(c.belongs(t, e, "t"), applies), strings.Join(places, ", "))
	return t.statement(name+": how many profiles are wanted", name)
}
