package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oubli/oubli/internal/erasuremap"
)

// capture is what a chunk remembers of the rows of one entry, or of the clients'
// own rows.
type capture struct {
	entry *entry // nil: the client's own row
	rel   *Relation
	id    []string // columns that identify a row; none: rows cannot be found again
	// columns are the position of each column in the capture: id and the columns
	// to which children refer.
	columns []string
	hashed  []string // columns of which the hash is kept: see hashedColumns
}

func (pe *proofEmitter) captureStatements() []Capture {
	var all []Capture
	for i := range pe.captures {
		all = append(all, pe.captureStatement(i))
	}
	return all
}

func (pe *proofEmitter) captureEntries(which func(*entry) bool) {
	for _, e := range pe.entries {
		if e.owned() || !which(e) {
			continue
		}
		c := capture{entry: e, rel: e.rel, id: e.rel.keyColumns()}
		if c.columns = slices.Clone(c.id); len(c.id) == 0 {
			c.columns = []string{"ctid"} // to count the rows
		}
		for _, child := range pe.entries {
			if !child.through() || !slices.Contains(child.parents, e) {
				continue
			}
			for _, p := range child.pairs {
				if !slices.Contains(c.columns, p.target) {
					c.columns = append(c.columns, p.target)
				}
			}
		}
		c.hashed = hashedColumns(e.allRules(), c.id)
		pe.captures = append(pe.captures, c)
	}
}

func (pe *proofEmitter) captureClients() {
	id := []string{pe.key.Name}
	pe.captures = append(pe.captures, capture{rel: pe.client, id: id, columns: id, hashed: hashedColumns(pe.clientRules, id)})
}

// hashedColumns are those with a rule in SQL: what it gives may depend on what it
// overwrites, so that the row alone does not tell whether it was applied. And texts
// that stay: a trigger could move there what another rule erases.
func hashedColumns(rules []columnRule, id []string) []string {
	var all []string
	for _, r := range rules {
		if (r.Kind == erasuremap.SQL || r.keepsText()) && len(id) > 0 && !slices.Contains(id, r.Column) {
			all = append(all, r.Column)
		}
	}
	return all
}

func (r columnRule) keepsText() bool { return !r.writes() && holdsText(*r.column) }

// mayLock reports whether the workers' role has the right to lock the rows: that
// of changing them. Rows that are only ever deleted are not locked; one that
// another session moves to another client meanwhile looks as if it were left, and
// the chunk is tried again.
func (c capture) mayLock() bool {
	return c.entry == nil || c.entry.Erase != erasuremap.Delete || c.entry.Merge == erasuremap.Move
}

// captureStatement locks the rows where it may, so that what it saw is what will
// be changed.
func (pe *proofEmitter) captureStatement(i int) Capture {
	c := pe.captures[i]
	t, name := pe.text(), pe.name(c.rel)
	var columns []string
	for _, column := range c.columns {
		columns = append(columns, ident("t", column)+"::text")
	}
	for _, column := range c.hashed {
		columns = append(columns, "md5("+ident("t", column)+"::text)")
	}
	cond := ""
	if c.entry == nil {
		cond = t.theseClients("t")
	} else {
		cond = t.belongs(c.entry, "t")
	}
	t.add("SELECT %s\nFROM %s AS \"t\"\nWHERE %s", strings.Join(columns, ", "), c.rel.ident(), cond)
	if c.mayLock() {
		t.add("\nFOR UPDATE OF \"t\"")
	}
	return Capture{Statement: t.statement(name+": remember the rows", name), Columns: len(columns)}
}

// captureOf is the number of the entry's capture, or -1.
func (pe *proofEmitter) captureOf(e *entry) int {
	return slices.IndexFunc(pe.captures, func(c capture) bool { return c.entry == e })
}

// captured is the parameter that holds one column of a capture, cast to typ.
func (t *text) captured(capture, column int, typ string) string {
	return t.array(Arg{ArgCaptured, strconv.Itoa(capture) + "/" + strconv.Itoa(column)}, typ)
}

// fromCaptured is the FROM item k that lists the rows of a capture with their
// hashes, and the condition under which the row t is one of them.
func (pe *proofEmitter) fromCaptured(t *text, i int) (from, cond string) {
	c := pe.captures[i]
	var arrays, names, conds []string
	for n, column := range c.id {
		col := c.rel.Column(column)
		arrays = append(arrays, t.captured(i, n, keyType(col, col)))
		names = append(names, fmt.Sprintf("oubli_i%d", n))
		conds = append(conds, ident("t", column)+" = "+fmt.Sprintf("k.oubli_i%d", n))
	}
	for n := range c.hashed {
		arrays = append(arrays, t.captured(i, len(c.columns)+n, "text"))
		names = append(names, fmt.Sprintf("oubli_h%d", n))
	}
	from = fmt.Sprintf("unnest(%s) AS k(%s)", strings.Join(arrays, ", "), strings.Join(names, ", "))
	return from, strings.Join(conds, " AND ")
}

// ofCapturedParent is the condition under which the row t refers to a row that one
// of the entry's parents captured.
func (pe *proofEmitter) ofCapturedParent(t *text, e *entry) string {
	var parents []string
	for _, parent := range e.parents {
		i := pe.captureOf(parent)
		if i < 0 {
			continue
		}
		var columns, arrays []string
		for _, p := range e.pairs {
			at := slices.Index(pe.captures[i].columns, p.target)
			columns = append(columns, ident("t", p.column))
			arrays = append(arrays, t.captured(i, at, keyType(e.rel.Column(p.column), parent.rel.Column(p.target))))
		}
		if len(columns) == 1 {
			parents = append(parents, columns[0]+" = ANY("+arrays[0]+")")
		} else {
			parents = append(parents, "("+strings.Join(columns, ", ")+") IN (SELECT * FROM unnest("+strings.Join(arrays, ", ")+"))")
		}
	}
	if len(parents) == 0 {
		return "false"
	}
	return "(" + strings.Join(parents, " OR ") + ")"
}
