package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// cascading lists statements that replace every foreign key to a client, or to
// what belongs to a client, with one that cascades. NOT VALID avoids reading the
// tables: the foreign keys before have already checked their rows.
const cascading = `
	SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname),
	  format('ALTER TABLE %s ADD CONSTRAINT %I %s ON DELETE %s %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid),
	    CASE WHEN c.conname IN ('clients_referred_by_fkey', 'invoice_lines_participation_id_fkey') THEN 'SET NULL' ELSE 'CASCADE' END,
	    CASE WHEN r.relkind = 'p' THEN '' ELSE 'NOT VALID' END)
	FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid
	WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid IN ('clients'::regclass, 'invoices'::regclass, 'participations'::regclass)`

// prepareCascade makes the foreign keys of a copy cascade.
func prepareCascade(ctx context.Context, c *clone) error {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, cascading)
	if err != nil {
		return err
	}
	var statements []string
	var drop, add string
	if _, err := pgx.ForEachRow(rows, []any{&drop, &add}, func() error {
		statements = append(statements, drop, add)
		return nil
	}); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return fmt.Errorf("foreign keys that cascade: %w", err)
	}
	return nil
}

// countBelongings counts the rows that a cascade will delete or change.
const countBelongings = `
	SELECT (SELECT count(*) FROM clients WHERE id = ANY($1)) + (SELECT count(*) FROM clients WHERE referred_by = ANY($1))
	  + (SELECT count(*) FROM appointments WHERE client_id = ANY($1)) + (SELECT count(*) FROM participations WHERE client_id = ANY($1))
	  + (SELECT count(*) FROM invoices WHERE client_id = ANY($1))
	  + (SELECT count(*) FROM invoice_lines JOIN invoices AS i ON i.id = invoice_id WHERE client_id = ANY($1))
	  + (SELECT count(*) FROM client_notes WHERE client_id = ANY($1)) + (SELECT count(*) FROM messages WHERE client_id = ANY($1))
	  + (SELECT count(*) FROM memberships WHERE client_id = ANY($1)) + (SELECT count(*) FROM consents WHERE client_id = ANY($1))`

// cascade is contender (c): one DELETE, after which foreign keys delete all that
// belongs to the clients, also what the studio's totals need. Addresses and the
// audit log stay, because they have no foreign key to a client.
func cascade(ctx context.Context, c *clone, who *clientSet, r *result) error {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	start := time.Now()
	tag, err := conn.Exec(ctx, "DELETE FROM clients WHERE id = ANY($1)", who.ids)
	r.LongestMS = ms(time.Since(start))
	if err == nil && tag.RowsAffected() != int64(len(who.ids)) {
		err = fmt.Errorf("%d of %d clients deleted", tag.RowsAffected(), len(who.ids))
	}
	return err
}
