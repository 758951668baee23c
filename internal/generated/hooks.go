package generated

import (
	"fmt"
	"slices"
	"strings"
)

// createHook writes a trigger with its function, a rule or a policy. The map
// acknowledges its name.
func (c *Case) createHook(b *script, h Hook) {
	on := h.Table
	if h.On != "" {
		on = h.On
	}
	switch h.Kind {
	case InsteadRule:
		b.add("CREATE RULE %s AS ON DELETE TO %s DO INSTEAD NOTHING;", h.Name, on)
		return
	case AlsoRule:
		b.add("CREATE RULE %s AS ON DELETE TO %s DO ALSO %s;", h.Name, on, c.writeHistory(h, "OLD"))
		return
	case HidingPolicy:
		b.add("ALTER TABLE %s ENABLE ROW LEVEL SECURITY;", on)
		b.add("CREATE POLICY %s ON %s USING (NOT flag);", h.Name, on)
		return
	}
	if h.Kind == InsteadOf {
		b.add("ALTER TABLE %s RENAME TO %[1]s_rows;", on)
		b.add("CREATE VIEW %s AS SELECT * FROM %[1]s_rows;", on)
	}
	when, event, body, forEach := c.trigger(h)
	security := " SECURITY DEFINER SET search_path = public, pg_temp"
	if h.Own {
		security = ""
	}
	b.add("CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql%s AS $$ BEGIN %s END $$;", h.Name, security, body)
	constraint, deferred := "", ""
	if h.Late {
		constraint, deferred = "CONSTRAINT ", " DEFERRABLE INITIALLY DEFERRED"
	}
	only := ""
	if !h.All {
		only = " WHEN (OLD.flag)"
	}
	b.add("CREATE %sTRIGGER %s %s %s ON %s%s %s%s EXECUTE FUNCTION %s();",
		constraint, h.Name, when, event, on, deferred, forEach, only, h.Name)
}

// trigger is the body of a trigger and when it runs.
func (c *Case) trigger(h Hook) (when, event, body, forEach string) {
	t := c.Spec.table(h.Table)
	forEach = "FOR EACH ROW"
	either := "UPDATE OR DELETE"
	switch h.Kind {
	case Touch:
		return "BEFORE", "UPDATE", "NEW.updated_at := now(); RETURN NEW;", forEach
	case History:
		return "AFTER", either, c.writeHistory(h, "OLD") + "; RETURN NULL;", forEach
	case Statement:
		event = "DELETE"
		if t.action() != Delete {
			event = "UPDATE"
		}
		return "AFTER", event, c.writeHistory(h, "o") + "; RETURN NULL;", "REFERENCING OLD TABLE AS o FOR EACH STATEMENT"
	case Suppress:
		return "BEFORE", "DELETE", "RETURN NULL;", forEach
	case Ignore:
		return "BEFORE", "UPDATE", "RETURN NULL;", forEach
	case SoftDelete:
		return "BEFORE", "DELETE", fmt.Sprintf("UPDATE %s SET deleted_at = now() WHERE %s; RETURN NULL;", h.Table, c.sameRow(h.Table)), forEach
	case Restore:
		return "BEFORE", "UPDATE", fmt.Sprintf("NEW.%s := OLD.%[1]s; RETURN NEW;", c.text(h.Table)), forEach
	case RestoreLink:
		return "BEFORE", "UPDATE", fmt.Sprintf("NEW.%s := OLD.%[1]s; RETURN NEW;", t.direct().Column), forEach
	case Reinsert:
		columns := c.written(h.Table)
		body = fmt.Sprintf("INSERT INTO %s (%s) VALUES (OLD.%s); RETURN NULL;",
			h.Table, strings.Join(columns, ", "), strings.Join(columns, ", OLD."))
		return "AFTER", "DELETE", body, forEach
	case Copy:
		columns, values := c.Spec.table(h.Target).direct().Column+", body", "OLD."+t.direct().Column+", OLD.body"
		if c.Spec.Scoped {
			columns, values = "tenant_id, "+columns, "OLD.tenant_id, "+values
		}
		return "AFTER", either, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s); RETURN NULL;", h.Target, columns, values), forEach
	case CopyToParent:
		w := t.Ways[0]
		return "AFTER", "DELETE", fmt.Sprintf("UPDATE %s SET body = OLD.body WHERE id = OLD.%s; RETURN NULL;", w.Through, w.Column), forEach
	case Move:
		return "BEFORE", "UPDATE", fmt.Sprintf("NEW.%s := OLD.%s; RETURN NEW;", t.Columns[1].Name, t.Columns[0].Name), forEach
	case InsteadOf:
		return "INSTEAD OF", "DELETE", "RETURN OLD;", forEach
	case Refuse:
		when = "BEFORE"
		if h.Late {
			when = "AFTER"
		}
		return when, either, "RAISE EXCEPTION 'row may not be changed';", forEach
	}
	panic("no trigger of kind " + string(h.Kind))
}

// writeHistory inserts the row, or the rows of a transition table, as they were.
func (c *Case) writeHistory(h Hook, from string) string {
	to := c.Spec.table(h.Target)
	columns, values := []string{"old"}, []string{fmt.Sprintf("to_jsonb(%s)", from)}
	add := func(column, value string) {
		columns, values = append(columns, column), append(values, from+"."+value)
	}
	if h.Kind == AlsoRule { // OLD is not a row there
		values[0] = "jsonb_build_object('body', OLD.body)"
	}
	if c.Spec.Scoped {
		add("tenant_id", "tenant_id")
	}
	if w := to.direct(); w != nil {
		key := "id"
		if t := c.Spec.table(h.Table); t != nil {
			key = t.direct().Column
		}
		add(w.Column, key)
	} else if len(to.Ways) > 0 {
		add(to.Ways[0].Column, "id")
	}
	if h.Kind == Statement {
		return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM o", to.Name, strings.Join(columns, ", "), strings.Join(values, ", "))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", to.Name, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// sameRow is the condition for the row that a trigger has in OLD.
func (c *Case) sameRow(table string) string {
	if c.Spec.Scoped && table == clients {
		return "tenant_id = OLD.tenant_id AND id = OLD.id"
	}
	return "id = OLD.id"
}

// text is a column with personal data.
func (c *Case) text(table string) string {
	if table == clients {
		return "name"
	}
	return c.Spec.table(table).Columns[0].Name
}

// written are the columns of a copy of a row.
func (c *Case) written(table string) []string {
	columns := []string{"id", "flag"}
	if table == clients {
		if c.Spec.Tenants {
			columns = append(columns, "tenant_id")
		}
		return append(columns, "name", "email", "profile")
	}
	t := c.Spec.table(table)
	if c.Spec.Scoped {
		columns = append(columns, "tenant_id")
	}
	for _, w := range t.Ways {
		columns = append(columns, w.Column)
		if w.Where.SQL != "" {
			columns = append(columns, w.Where.Column)
		}
	}
	for _, col := range t.Columns {
		if col.Of == "" {
			columns = append(columns, col.Name)
		}
	}
	return slices.Compact(columns)
}
