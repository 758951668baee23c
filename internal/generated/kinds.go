package generated

// Kind is something that may prevent an erasure.
type Kind struct {
	Name string
	// MayFail allows not to erase: clients may be reported as failed and the job as
	// blocked. If no kind of a case may fail, all clients must be erased.
	MayFail bool
	add     func(d *draw) bool // false: it cannot be added to this spec
}

// Kinds are all kinds.
func Kinds() []Kind { return kinds }

func (d *draw) add(k Kind) {
	before := d.clone()
	if k.add(d) && len(d.Tables) <= mostTables {
		d.Kinds = append(d.Kinds, k.Name)
	} else {
		*d.Spec = *before
	}
}

// mayFail reports whether any kind of the spec may fail.
func (s *Spec) mayFail() bool {
	for _, k := range kinds {
		for _, name := range s.Kinds {
			if k.Name == name && k.MayFail {
				return true
			}
		}
	}
	return false
}

var kinds = []Kind{
	// Triggers.
	{Name: "trigger sets a timestamp", add: func(d *draw) bool {
		return d.hook(Hook{Kind: Touch, Table: d.of(oneOf(d, Reassign, Unlink), false).Name, All: true})
	}},
	{Name: "trigger sets a timestamp on the client", add: func(d *draw) bool {
		return d.hook(Hook{Kind: Touch, Table: clients, All: true})
	}},
	{Name: "history of a kept row, mapped through it", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Reassign, false), Hook{Kind: History, All: d.chance(50)}, throughRow)
	}},
	{Name: "history of a deleted row, mapped through it", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Delete, false), Hook{Kind: History, All: d.chance(50)}, throughRow)
	}},
	{Name: "history of a kept row, mapped by client", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Reassign, false), Hook{Kind: History, All: d.chance(50)}, byClient)
	}},
	{Name: "history of a deleted row, mapped by client", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Delete, false), Hook{Kind: History, All: d.chance(50)}, byClient)
	}},
	{Name: "history of a kept row, mapped by client and listed first", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Reassign, false), Hook{Kind: History, All: d.chance(50)}, byClientFirst)
	}},
	{Name: "history of a deleted row, mapped by client and listed first", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Delete, false), Hook{Kind: History, All: d.chance(50)}, byClientFirst)
	}},
	{Name: "history of a row of two clients", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, Soft: d.chance(50)})
		t.Ways = append(t.Ways, Way{Column: "guest_id", Erase: Unlink})
		return d.history(t, Hook{Kind: History, All: true}, byClient)
	}},
	{Name: "history by statement, mapped by client", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(oneOf(d, Reassign, Delete), false), Hook{Kind: Statement, All: true}, byClient)
	}},
	{Name: "history at the end of the transaction, mapped by client", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(oneOf(d, Reassign, Delete), false), Hook{Kind: History, Late: true, All: d.chance(50)}, byClient)
	}},
	{Name: "history at the end of the transaction, mapped through its row", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Reassign, false), Hook{Kind: History, Late: true, All: d.chance(50)}, throughRow)
	}},
	{Name: "history outside of the map", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(oneOf(d, Reassign, Delete), false), Hook{Kind: History, All: d.chance(50)}, unmapped)
	}},
	{Name: "history of the client, mapped by client", MayFail: true, add: func(d *draw) bool {
		return d.history(nil, Hook{Kind: History, All: d.chance(50)}, byClient)
	}},
	{Name: "history of the client, outside of the map", MayFail: true, add: func(d *draw) bool {
		return d.history(nil, Hook{Kind: History, All: d.chance(50)}, unmapped)
	}},
	{Name: "history written without the right to", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(oneOf(d, Reassign, Delete), false), Hook{Kind: History, All: true, Own: true}, byClient)
	}},
	{Name: "delete suppressed, soft reference", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Suppress, Table: d.of(Delete, true).Name, Own: d.chance(50)})
	}},
	{Name: "delete suppressed, foreign key", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Delete, OnDelete: oneOf(d, "", "CASCADE", "SET NULL")})
		if d.Scoped {
			t.Ways[0].OnDelete = ""
		}
		return d.hook(Hook{Kind: Suppress, Table: t.Name, Own: d.chance(50)})
	}},
	{Name: "delete of the client suppressed", MayFail: true, add: func(d *draw) bool {
		return !d.Anonymize && d.hook(Hook{Kind: Suppress, Table: clients})
	}},
	{Name: "delete suppressed on a partition", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Delete, Soft: true, NotNull: true})
		t.Partition = ListPartition
		return d.hook(Hook{Kind: Suppress, Table: t.Name, On: t.Name + "_1", All: true})
	}},
	{Name: "delete suppressed where a row moves to another partition", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, Soft: true, NotNull: true})
		t.Partition = HashPartition
		return d.hook(Hook{Kind: Suppress, Table: t.Name, All: true})
	}},
	{Name: "history of a row that moves to another partition, mapped by client", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, Soft: d.chance(50), NotNull: true})
		t.Partition = HashPartition
		return d.history(t, Hook{Kind: History, All: true}, byClient)
	}},
	{Name: "delete suppressed on an inheriting table", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: Delete, Soft: true, NotNull: true})
		child := &Table{Name: t.Name + "_more", Inherits: t.Name}
		d.Tables = append(d.Tables, child)
		return d.hook(Hook{Kind: Suppress, Table: t.Name, On: child.Name})
	}},
	{Name: "soft delete instead", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: SoftDelete, Table: d.of(Delete, true).Name, All: d.chance(50)})
	}},
	{Name: "soft delete of the client instead", MayFail: true, add: func(d *draw) bool {
		return !d.Anonymize && d.hook(Hook{Kind: SoftDelete, Table: clients})
	}},
	{Name: "update suppressed", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Ignore, Table: d.of(oneOf(d, Reassign, Unlink), true).Name, Own: d.chance(50)})
	}},
	{Name: "column put back", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Restore, Table: d.of(oneOf(d, Reassign, Unlink), false).Name, Own: d.chance(50)})
	}},
	{Name: "column of a kept row put back", MayFail: true, add: func(d *draw) bool {
		parent := d.of(Reassign, false)
		t := d.plain(Way{Column: parent.Name + "_id", Through: parent.Name, Erase: Keep})
		return d.hook(Hook{Kind: Restore, Table: t.Name, Own: d.chance(50)})
	}},
	{Name: "column of the client's kept row put back", MayFail: true, add: func(d *draw) bool {
		if len(d.Tables) > 0 && !d.Anonymize {
			return false
		}
		d.Anonymize = true
		return d.hook(Hook{Kind: Restore, Table: clients, Own: d.chance(50)})
	}},
	{Name: "value moved into a kept column", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: oneOf(d, Reassign, Unlink), Soft: d.chance(50)})
		t.Columns = append(t.Columns, Column{Name: "memo", Type: "text", Rule: "keep"})
		return d.hook(Hook{Kind: Move, Table: t.Name})
	}},
	{Name: "view with a trigger instead", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: Delete, Soft: true})
		return d.hook(Hook{Kind: InsteadOf, Table: t.Name, All: true})
	}},
	{Name: "reference put back", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: RestoreLink, Table: d.of(oneOf(d, Reassign, Unlink), true).Name})
	}},
	{Name: "row inserted again", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Reinsert, Table: d.of(Delete, true).Name})
	}},
	{Name: "row inserted again, foreign key", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Delete, Deferred: d.chance(50)})
		return !d.Anonymize && d.hook(Hook{Kind: Reinsert, Table: t.Name})
	}},
	{Name: "row inserted again, foreign key to a client who stays", MayFail: true, add: func(d *draw) bool {
		if len(d.Tables) > 0 && !d.Anonymize {
			return false
		}
		d.Anonymize = true
		return d.hook(Hook{Kind: Reinsert, Table: d.plain(Way{Column: "client_id", Erase: Delete}).Name})
	}},
	{Name: "row inserted again at the end of the transaction", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Reinsert, Table: d.of(Delete, true).Name, Late: true})
	}},
	{Name: "client inserted again", MayFail: true, add: func(d *draw) bool {
		return !d.Anonymize && d.hook(Hook{Kind: Reinsert, Table: clients, Late: d.chance(50)})
	}},
	{Name: "copied into another mapped table", MayFail: true, add: func(d *draw) bool {
		to := d.plain(Way{Column: "client_id", Erase: Delete, Soft: true})
		from := d.of(oneOf(d, Reassign, Delete), false)
		return from != to && d.hook(Hook{Kind: Copy, Table: from.Name, Target: to.Name, All: d.chance(50), Late: d.chance(30)})
	}},
	{Name: "copied into the kept parent's row", MayFail: true, add: func(d *draw) bool {
		parent := d.of(Reassign, false)
		t := d.plain(Way{Column: parent.Name + "_id", Through: parent.Name, Erase: Delete})
		return d.hook(Hook{Kind: CopyToParent, Table: t.Name, All: d.chance(50)})
	}},
	{Name: "copied into the kept parent's row at the end of the transaction", MayFail: true, add: func(d *draw) bool {
		parent := d.of(Reassign, false)
		t := d.plain(Way{Column: parent.Name + "_id", Through: parent.Name, Erase: Delete})
		return d.hook(Hook{Kind: CopyToParent, Table: t.Name, All: d.chance(50), Late: true})
	}},
	{Name: "refused", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Refuse, Table: d.of(oneOf(d, Reassign, Delete), false).Name})
	}},
	{Name: "refused at the end of the transaction", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: Refuse, Table: d.of(oneOf(d, Reassign, Delete), false).Name, Late: true})
	}},

	// Rules and policies.
	{Name: "rule instead", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: InsteadRule, Table: d.of(Delete, true).Name, All: true})
	}},
	{Name: "rule also", MayFail: true, add: func(d *draw) bool {
		return d.history(d.of(Delete, true), Hook{Kind: AlsoRule, All: true}, byClient)
	}},
	{Name: "policy hides rows", MayFail: true, add: func(d *draw) bool {
		return d.hook(Hook{Kind: HidingPolicy, Table: d.of(oneOf(d, Reassign, Delete), true).Name})
	}},

	// Conditions.
	{Name: "discriminator is NULL", MayFail: true, add: func(d *draw) bool { return d.uncovered("NULL") }},
	{
		Name:    "discriminator is spelled otherwise",
		MayFail: true,
		add:     func(d *draw) bool { return d.uncovered("'client'", "'App::Client'", "''") },
	},
	{Name: "condition is unknown for NULL", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Soft: true, Erase: oneOf(d, Delete, Reassign)})
		t.Ways[0].Where = Where{SQL: "state <> 'system'", Column: "state", Value: "sent", Uncovered: []string{"NULL"}}
		d.ruleAll(t)
		return true
	}},
	{Name: "condition leaves rows with a foreign key", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Delete, OnDelete: oneOf(d, "", "CASCADE", "SET NULL")})
		if d.Scoped {
			t.Ways[0].OnDelete = ""
		}
		t.Ways[0].Where = Where{SQL: "state = 'sent'", Column: "state", Value: "sent", Uncovered: []string{"NULL", "'read'"}}
		return true
	}},

	// Shapes.
	{Name: "inheriting table", add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: oneOf(d, Reassign, Delete), Soft: true})
		d.Tables = append(d.Tables, &Table{Name: t.Name + "_more", Inherits: t.Name})
		return true
	}},
	{Name: "inheriting table with a column of its own", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: Reassign, Soft: true})
		d.Tables = append(d.Tables, &Table{Name: t.Name + "_more", Inherits: t.Name, Columns: []Column{{Name: "extra", Type: "text"}}})
		return true
	}},
	{Name: "inheriting table with entries of its own", add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: oneOf(d, Reassign, Delete, Unlink), Soft: true})
		child := &Table{Name: t.Name + "_more", Inherits: t.Name, Listed: true, Columns: []Column{{Name: "extra", Type: "text"}}}
		if t.stays() {
			child.Columns[0].Rule = "null"
		}
		d.Tables = append(d.Tables, child)
		return true
	}},
	{Name: "trigger on an inheriting table with entries of its own", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "owner", Erase: oneOf(d, Reassign, Unlink), Soft: true})
		child := &Table{Name: t.Name + "_more", Inherits: t.Name, Listed: true}
		child.Columns = []Column{{Name: "extra", Type: "text", Rule: "null"}}
		d.Tables = append(d.Tables, child)
		return d.hook(Hook{Kind: oneOf(d, Touch, Restore), Table: t.Name, On: oneOf(d, "", child.Name), All: true})
	}},
	{Name: "check refuses what the rule writes", MayFail: true, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, NotNull: true})
		t.Columns[0].Rule, t.Check = `{value: ""}`, "body <> ''"
		return true
	}},
	{Name: "two references that must differ", MayFail: false, add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, NotNull: true})
		t.Ways = append(t.Ways, Way{Column: "guest_id", Erase: Reassign, NotNull: true})
		t.Check = "client_id <> guest_id"
		return true
	}},
	{Name: "two references that are unique together", add: func(d *draw) bool {
		t := d.plain(Way{Column: "client_id", Erase: Reassign, NotNull: true})
		t.Ways = append(t.Ways, Way{Column: "guest_id", Erase: Reassign})
		t.Unique = PairUnique
		return true
	}},

	// References to other columns than the key.
	{Name: "reference by email", add: func(d *draw) bool { return d.byEmail(Way{Soft: true}) }},
	{Name: "reference by email, without regard to case", add: func(d *draw) bool { return d.byEmail(Way{Soft: true, Fold: true}) }},
	{Name: "reference by email that several clients have", add: func(d *draw) bool {
		d.SharedMail = true
		return !d.UniqueMail && d.byEmail(Way{Soft: true, Fold: d.chance(50)})
	}},
	{Name: "reference by email, with a foreign key", add: func(d *draw) bool {
		d.UniqueMail = true
		return !d.SharedMail && d.byEmail(Way{OnDelete: oneOf(d, "", "CASCADE")})
	}},
	{Name: "reference by email, and a trigger", MayFail: true, add: func(d *draw) bool {
		return d.byEmail(Way{Soft: true, Fold: d.chance(50)}) &&
			d.hook(Hook{Kind: oneOf(d, Touch, Suppress, Ignore, Restore), Table: d.Tables[len(d.Tables)-1].Name, All: d.chance(50)})
	}},
	{Name: "reference to another column of the parent", add: func(d *draw) bool {
		parent := d.of(oneOf(d, Reassign, Delete), d.chance(50))
		parent.Coded = true
		w := Way{Column: parent.Name + "_ref", Through: parent.Name, By: "ref", Erase: Delete, Soft: d.chance(50)}
		if parent.action() != Delete && d.chance(50) {
			w.Erase = Keep
		}
		d.plain(w)
		return true
	}},

	// Views.
	{Name: "view is refreshed", add: func(d *draw) bool { return d.view(false, true) }},
	{Name: "view is not listed", MayFail: true, add: func(d *draw) bool { return d.view(false, false) }},
	{Name: "view over a view is refreshed", add: func(d *draw) bool { return d.view(true, true) }},
	{Name: "view over a view is not listed", MayFail: true, add: func(d *draw) bool { return d.view(true, false) }},
}

// The ways in which a history is mapped.
const (
	throughRow = iota
	byClient
	byClientFirst
	unmapped
)

// history adds a table into which a hook of t writes rows as they were; t is nil
// for the clients' own table.
func (d *draw) history(t *Table, h Hook, mapped int) bool {
	h.Table = clients
	if t != nil {
		h.Table = t.Name
	}
	to := &Table{Name: h.Table + "_history", History: true, Columns: []Column{{Name: "old", Type: "jsonb"}}}
	switch mapped {
	case throughRow:
		w := Way{Column: "row_id", Through: h.Table, Erase: Delete, Soft: t.action() == Delete || d.chance(40)}
		if !w.Soft {
			w.OnDelete = oneOf(d, "", "CASCADE")
		}
		to.Ways = []Way{w}
	case byClient, byClientFirst:
		to.First = mapped == byClientFirst
		to.Ways = []Way{{Column: "client_id", Soft: true, Erase: Delete}}
	}
	if d.table(to.Name) != nil {
		return false
	}
	d.Tables = append(d.Tables, to)
	h.Target = to.Name
	return d.hook(h)
}

// byEmail adds a table whose rows hold the email of a client.
func (d *draw) byEmail(w Way) bool {
	w.Column, w.By, w.Erase = "address", "email", oneOf(d, Delete, Delete, Unlink)
	w.NotNull = w.Erase == Delete && d.chance(50)
	d.plain(w)
	return true
}

// uncovered adds a polymorphic table with rows that its condition does not cover.
func (d *draw) uncovered(values ...string) bool {
	w := d.polymorphic()
	w.Where.Uncovered = values
	d.plain(w)
	return true
}

func (d *draw) view(over, listed bool) bool {
	t := d.of(oneOf(d, Reassign, Delete), false)
	d.Views = append(d.Views, View{Name: t.Name + "_report", Table: t.Name, Over: over, Listed: listed})
	return true
}
