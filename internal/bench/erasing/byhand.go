package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed byhand.sql
var byHandSQL string

const byHandTables = `
	SET LOCAL work_mem = '256MB'; SET LOCAL jit = off;
	CREATE TEMP TABLE wanted (id bigint) ON COMMIT DROP;
	CREATE TEMP TABLE erased (id bigint PRIMARY KEY, studio_id bigint, address_id bigint) ON COMMIT DROP;
	CREATE TEMP TABLE assignments (id bigint, studio_id bigint, slot bigint) ON COMMIT DROP;
	CREATE TEMP TABLE profiles (studio_id bigint, slot bigint, id bigint, label text, years int, PRIMARY KEY (studio_id, slot)) ON COMMIT DROP`

// byHand is contender (a): one transaction with the hand-written statements of
// byhand.sql.
func byHand(ctx context.Context, c *clone, who *clientSet, r *result) error {
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	start := time.Now()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, byHandTables); err != nil {
			return err
		}
		rows := pgx.CopyFromSlice(len(who.ids), func(i int) ([]any, error) { return []any{who.ids[i]}, nil })
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"wanted"}, []string{"id"}, rows); err != nil {
			return err
		}
		for i, part := range sections(byHandSQL, "-- on: ") {
			began := time.Now()
			tag, err := tx.Exec(ctx, part.sql)
			if err != nil {
				return fmt.Errorf("statement on %s: %w", part.name, err)
			}
			if c.size.verbose {
				c.say("  by hand, %s: %d rows, %s", part.name, tag.RowsAffected(), time.Since(began).Round(time.Millisecond))
			}
			if i > 0 && !tag.Insert() {
				r.Rows += tag.RowsAffected()
			}
			if i == 0 {
				r.Clients = int(tag.RowsAffected())
			}
			if r.Clients != len(who.ids) && !r.booked {
				return fmt.Errorf("%d of %d clients may be erased", r.Clients, len(who.ids))
			}
		}
		return nil
	})
	r.LongestMS = ms(time.Since(start))
	return err
}
