package plan

import (
	"slices"

	"github.com/oubli/oubli/internal/erasuremap"
)

// checkMerges refuses what no merge could do, or only by losing rows.
func (c *checker) checkMerges() {
	for _, e := range c.entries {
		switch {
		case e.owned():
		case e.Merge == erasuremap.Move:
			c.checkMove(e)
		case e.Merge == erasuremap.Delete:
			c.checkMergeDelete(e)
		case e.through() && !slices.ContainsFunc(e.parents, func(p *entry) bool { return p.Merge != erasuremap.Delete }):
			c.gaps.add(e.Pos, e.rel, e.Reference, "merge: move for "+e.Through.String()+", or merge: delete here",
				"a merge would delete the rows of %s that these refer to", e.Through)
		}
	}
	for _, name := range c.m.Client.Fill {
		if col := c.client.Column(name); col.Generated {
			c.gaps.add(c.m.Client.Pos, c.client, name, "leave it out of fill", "a generated column cannot be filled")
		}
	}
}

func (c *checker) checkMove(e *entry) {
	if e.reference.Generated {
		c.gaps.add(e.Pos, e.rel, e.Reference, "merge: keep or merge: delete", "a merge cannot write the column: PostgreSQL computes it")
	}
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		for _, fk := range r.ForeignKeys {
			if fk.to(e.rel) && slices.Contains(fk.ParentColumns, e.Reference) {
				c.gaps.add(e.Pos, e.rel, e.Reference, "merge: keep, or let the foreign key refer to another column",
					"a merge cannot write the column: foreign key %s of %s refers to it", fk.Name, c.name(r))
			}
		}
	}
}

// checkMergeDelete refuses deletes that would cascade to rows that no entry deletes,
// or that PostgreSQL would refuse.
func (c *checker) checkMergeDelete(e *entry) {
	for i := range c.catalog.Relations {
		r := &c.catalog.Relations[i]
		for k := range r.ForeignKeys {
			fk := &r.ForeignKeys[k]
			named := slices.ContainsFunc(c.entries, func(x *entry) bool {
				return x.rel == r && x.Where == "" && x.Merge == erasuremap.Delete && c.follows(x, fk)
			})
			switch {
			case !fk.to(e.rel) || named:
			case fk.OnDelete == "cascade":
				c.gaps.add(e.Pos, e.rel, e.Reference, "merge: delete for "+c.name(r)+" too, or ON DELETE NO ACTION",
					"a merge would delete rows of %s along with these: foreign key %s is ON DELETE CASCADE", c.name(r), fk.Name)
			case fk.OnDelete == "":
				c.gaps.add(e.Pos, e.rel, e.Reference, "merge: move, or ON DELETE SET NULL for foreign key "+fk.Name,
					"a merge would delete rows that rows of %s still refer to", c.name(r))
			}
		}
	}
}
