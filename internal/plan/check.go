package plan

import (
	"strings"
)

// checker looks for what a model does not cover or cannot do.
type checker struct {
	*model
	gaps Gaps
}

// checkIdentity refuses keys and tenants that oubli cannot work with.
func checkIdentity(md *model) Gaps {
	c := &checker{model: md}
	c.checkKeyType()
	c.checkTenant()
	return c.gaps
}

// check are the gaps that keep anybody from being erased.
func check(md *model) Gaps {
	c := &checker{model: md}
	for _, step := range []func(){
		// What the map names can take what the map asks of it.
		c.checkKeyIsUnique, c.checkKeyIsPersonal, c.checkClientColumns, c.checkEntryColumns, c.checkGuardsAndActivity,
		c.checkTwice, c.checkActions, c.checkRetention, c.checkUniqueness, c.checkReferences, c.checkProfile, c.checkSlots,
		// The map names all that there is to name.
		c.coverForeignKeys, c.coverColumns, c.coverDescendants, c.coverTriggers, c.coverKeyless, c.coverRowSecurity, c.coverDetaching,
		c.coverViews, c.coverOutside, c.coverOpenTypes,
		c.checkOrder,
	} {
		step()
	}
	return c.gaps
}

// checkMerge are the gaps that keep clients from being merged into others.
func checkMerge(md *model) Gaps {
	c := &checker{model: md}
	c.checkMerges()
	c.checkCycle(md.mergeCycle)
	return c.gaps
}

func (c *checker) checkOrder() { c.checkCycle(c.eraseCycle) }

// checkCycle refuses entries that refer to each other, so that none of them can
// be first.
func (c *checker) checkCycle(cycle []*entry) {
	if len(cycle) == 0 {
		return
	}
	names := make([]string, len(cycle))
	for i, e := range cycle {
		names[i] = c.name(e.rel)
	}
	c.gaps.add(cycle[0].Pos, cycle[0].rel, "",
		"unlink one of the references first: {table: …, through: …, reference: …, erase: unlink}",
		"no order of deletion: %s refer to each other", strings.Join(names, ", "))
}
