package generated

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Snapshot is every row of every table, materialized views and the control schema
// included. Names of tables of the application's schema have no schema; rows of
// partitions are under their table, rows of inheriting tables under their own.
type Snapshot map[string][]Row

// Row is a row's columns as text. NULL is left out.
type Row map[string]string

// control reports whether the table is of the control schema.
func control(table string) bool { return strings.HasPrefix(table, "oubli.") }

// Outcome is what became of the clients, according to the job.
type Outcome struct {
	Erased  []string          // keys
	Failed  map[string]string // code by key
	Blocked string            // the reason, for a job that was not finished
}

// Finding is a guarantee that was broken.
type Finding struct {
	What   string // the kind of finding
	Table  string
	Column string
	Detail string
}

func (f Finding) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s: %s.%s: %s", f.What, f.Table, f.Column, f.Detail), ": ")
}

// Same reports whether two findings have the same kind and place.
func (f Finding) Same(g Finding) bool {
	return f.What == g.What && f.Table == g.Table && f.Column == g.Column
}

// Judge compares the database after an erasure with the database before it.
func (c *Case) Judge(before, after Snapshot, o Outcome) []Finding {
	j := &judge{Case: c, erased: map[int]bool{}, before: before, after: after, rows: map[string]map[string]Row{},
		profiles: map[string]bool{}}
	for _, key := range o.Erased {
		j.erased[c.number(key)] = true
	}
	for table, rows := range after {
		j.rows[table] = map[string]Row{}
		for _, r := range rows {
			j.rows[table][j.identity(r)] = r
		}
	}
	j.clientRows()
	j.plantedRows()
	j.otherRows()
	j.markers()
	j.references()
	j.outcome(o)
	slices.SortFunc(j.all, func(a, b Finding) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(j.all)
}

type judge struct {
	*Case
	erased        map[int]bool
	before, after Snapshot
	rows          map[string]map[string]Row // after, by table and identity
	profiles      map[string]bool           // identities of client rows that are new
	all           []Finding
}

func (j *judge) find(what, table, column, format string, args ...any) {
	j.all = append(j.all, Finding{what, table, column, fmt.Sprintf(format, args...)})
}

func (j *judge) identity(r Row) string { return r["id"] + "/" + r["tenant_id"] }

func (j *judge) clientID(cl Client) string {
	tenant := ""
	if j.Spec.Tenants {
		tenant = fmt.Sprint(cl.Tenant)
	}
	return cl.Key + "/" + tenant
}

// outcome finds clients who were not erased although nothing prevents it.
func (j *judge) outcome(o Outcome) {
	if j.Spec.mayFail() {
		return
	}
	if o.Blocked != "" {
		j.find("blocked without cause", "", "", "%s", o.Blocked)
	}
	for key, code := range o.Failed {
		if cl := j.client(j.number(key)); !cl.Held {
			j.find("failed without cause", "", code, "client %d", cl.Number)
		}
	}
}

// clientRows checks the clients' own rows.
func (j *judge) clientRows() {
	known := map[string]bool{}
	was := map[string]Row{}
	for _, r := range j.before[clients] {
		was[j.identity(r)] = r
	}
	for _, cl := range j.Clients {
		id := j.clientID(cl)
		known[id] = true
		now, there := j.rows[clients][id]
		switch {
		case j.erased[cl.Number] && !j.Spec.Anonymize:
			if there {
				j.find("row left", clients, "", "client %d", cl.Number)
			}
		case !there:
			j.find("row lost", clients, "", "client %d", cl.Number)
		default:
			free := map[string]bool{}
			if by := j.referrer(cl); by != 0 && j.erased[by] {
				free["referred_by"] = true
			}
			if j.erased[cl.Number] {
				free["name"], free["email"], free["profile"], free["referred_by"] = true, true, true, true
			}
			j.compare(clients, was[id], now, free)
		}
	}
	for id := range j.rows[clients] {
		if !known[id] {
			j.profiles[id] = true
		}
	}
}

// allowTimestamp adds the timestamp to the columns that may change, if a trigger sets it.
func (j *judge) allowTimestamp(table string, free map[string]bool) {
	if len(free) > 0 && slices.ContainsFunc(j.Spec.Hooks, func(h Hook) bool {
		return h.Kind == Touch && (h.On == table || h.On == "" && h.Table == table)
	}) {
		free["updated_at"] = true
	}
}

// compare finds columns that changed although they must not.
func (j *judge) compare(table string, was, now Row, free map[string]bool) {
	j.allowTimestamp(table, free)
	for _, column := range slices.Sorted(maps.Keys(was)) {
		if was[column] != now[column] && !free[column] {
			j.find("changed", table, column, "row %s: %q became %q", was["id"], was[column], now[column])
		}
	}
	for column, value := range now {
		if _, had := was[column]; !had && !free[column] {
			j.find("changed", table, column, "row %s: NULL became %q", was["id"], value)
		}
	}
}

// plantedRows checks every generated row against what an erasure may do to it.
func (j *judge) plantedRows() {
	was := map[string]map[string]Row{}
	for table, rows := range j.before {
		was[table] = map[string]Row{}
		for _, r := range rows {
			was[table][r["id"]] = r
		}
	}
	by := map[string]map[string]Row{}
	for table, rows := range j.after {
		by[table] = map[string]Row{}
		for _, r := range rows {
			by[table][r["id"]] = r
		}
	}
	for _, r := range j.Case.rows {
		id, name := fmt.Sprint(r.id), r.table.Name
		now, there := by[name][id]
		gone, free := j.expected(r)
		switch {
		case gone && there:
			j.find("row left", name, "", "row %s", id)
		case gone:
		case !there && j.uncovered(r):
		case !there:
			j.find("row lost", name, "", "row %s of %v", id, r.owners)
		case j.uncovered(r):
		default:
			j.compare(name, was[name][id], now, free)
			j.written(r, now)
		}
	}
}

// uncovered reports whether the row belongs to an erased client although no entry's
// condition covers it. Then it may be deleted or cleared: markers checks it.
func (j *judge) uncovered(r *row) bool {
	return len(r.uncovered) > 0 && slices.ContainsFunc(r.owners, func(n int) bool { return j.erased[n] })
}

// expected returns whether a row must be deleted and, if not, which columns may
// change.
func (j *judge) expected(r *row) (gone bool, free map[string]bool) {
	free = map[string]bool{}
	shape := j.Spec.shape(r.table)
	for _, w := range shape.Ways {
		switch {
		case w.OwnedBy:
			return j.unowned(r), free
		case !j.reached(r, w):
		case w.Erase == Delete:
			gone = true
		default:
			if w.Erase != Keep {
				free[w.Column] = true
			}
			for _, col := range j.columns(r) {
				if w.Through != shape.Name && !col.neutral() {
					free[col.Name] = true
				}
			}
			if w.Erase == Reassign && shape.Retain != "" && !r.recent {
				free[shape.Retain] = true
			}
		}
	}
	return gone, free
}

// columns are those of the row's table, the inherited ones first.
func (c *Case) columns(r *row) []Column {
	shape := c.Spec.shape(r.table)
	if r.table == shape {
		return shape.Columns
	}
	return slices.Concat(shape.Columns, r.table.Columns)
}

// reached reports whether a row belongs to an erased client by this way.
func (j *judge) reached(r *row, w Way) bool {
	to := r.refs[w.Column]
	switch {
	case r.uncovered[w.Column]:
		return false
	case to.client != 0 && w.By != "":
		return !slices.ContainsFunc(j.sharers(to.client), func(n int) bool { return !j.erased[n] })
	case to.client != 0:
		return j.erased[to.client]
	case to.row == nil:
		return false
	}
	return slices.ContainsFunc(j.Spec.shape(to.row.table).Ways, func(p Way) bool {
		return p.Erase != Unlink && !p.OwnedBy && p.Column != w.Column && j.reached(to.row, p)
	})
}

// unowned reports whether no client refers to the row any more.
func (j *judge) unowned(r *row) bool {
	erased, left := false, false
	for _, o := range j.owned {
		if o.row == r {
			erased, left = erased || j.erased[o.client], left || !j.erased[o.client]
		}
	}
	return erased && !left
}

// written finds columns of a reached row that are not what the map says.
func (j *judge) written(r *row, now Row) {
	shape := j.Spec.shape(r.table)
	for _, w := range shape.Ways {
		if w.OwnedBy || w.Erase == Delete || !j.reached(r, w) {
			continue
		}
		value, set := now[w.Column]
		switch {
		case w.Erase == Unlink && set:
			j.find("not unlinked", shape.Name, w.Column, "row %d holds %q", r.id, value)
		case w.Erase == Reassign && !j.profile(r, value):
			j.find("not on a profile", shape.Name, w.Column, "row %d holds %q", r.id, value)
		}
		for _, col := range j.columns(r) {
			if text, set := now[col.Name]; col.Rule == "null" && set && w.Through != shape.Name {
				j.find("not as ruled", shape.Name, col.Name, "row %d holds %q", r.id, text)
			}
		}
	}
}

func (j *judge) profile(r *row, key string) bool {
	tenant := ""
	if j.Spec.Tenants {
		tenant = fmt.Sprint(r.tenant)
	}
	return j.profiles[key+"/"+tenant]
}

// otherRows finds new rows in tables into which no hook writes, and changes to
// tables that no erasure may change.
func (j *judge) otherRows() {
	for _, table := range []string{"services", "tenants"} {
		if len(j.after[table]) != len(j.before[table]) {
			j.find("rows came or went", table, "", "%d were there and %d are", len(j.before[table]), len(j.after[table]))
		}
		for _, was := range j.before[table] {
			if now, there := j.rows[table][j.identity(was)]; there {
				j.compare(table, was, now, map[string]bool{})
			}
		}
	}
	for _, t := range j.Spec.Tables {
		target := slices.ContainsFunc(j.Spec.Hooks, func(h Hook) bool { return h.Target == t.Name })
		if planted := len(j.of(t)); !target && len(j.after[t.Name]) > planted {
			j.find("rows came", t.Name, "", "%d were planted and %d are there", planted, len(j.after[t.Name]))
		}
	}
}

// markers looks for the markers of erased clients in all tables.
func (j *judge) markers() {
	type needle struct {
		client int
		texts  []string
	}
	var needles []needle
	for n := range j.erased {
		m := strings.ToLower(Marker(n))
		needles = append(needles, needle{n, []string{m, hex.EncodeToString([]byte(Marker(n)))}})
	}
	for table, rows := range j.after {
		retained := ""
		if t := j.Spec.table(table); t != nil {
			retained = j.Spec.shape(t).Retain
		}
		for _, r := range rows {
			for column, value := range r {
				if column == retained && retained != "" {
					continue
				}
				lower := strings.ToLower(value)
				for _, n := range needles {
					if slices.ContainsFunc(n.texts, func(text string) bool { return strings.Contains(lower, text) }) {
						j.find("marker left", table, column, "client %d in row %s", n.client, r["id"])
					}
				}
			}
		}
	}
}

// references looks for mapped columns that still refer to erased clients, with
// or without the condition of their entry.
func (j *judge) references() {
	if j.Spec.Anonymize {
		return
	}
	left := func(table, column string, w Way) {
		for _, r := range j.after[table] {
			for n := range j.erased {
				cl := j.client(n)
				elsewhere := j.Spec.Scoped && r["tenant_id"] != fmt.Sprint(cl.Tenant)
				value, own, fold := r[column], cl.Key, j.Spec.Key == Citext
				if w.By != "" {
					own, fold = j.email(cl), w.Fold
				}
				shared := w.By != "" && slices.ContainsFunc(j.sharers(n), func(o int) bool { return !j.erased[o] })
				if !elsewhere && !shared && (value == own || fold && strings.EqualFold(value, own)) {
					j.find("reference left", table, column, "to client %d in row %s", n, r["id"])
				}
			}
		}
	}
	for _, t := range j.Spec.Tables {
		for _, w := range j.Spec.shape(t).Ways {
			if w.Through == "" && !w.OwnedBy {
				left(t.Name, w.Column, w)
			}
		}
	}
	if j.Spec.has(ReferredBy) {
		left(clients, "referred_by", Way{})
	}
}
