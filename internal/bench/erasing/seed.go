package main

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/booking"
)

//go:embed seed.sql
var seedSQL string

// seed fills a database with the booking product's tables, one statement for each:
// a minute or two for a million clients.
func seed(ctx context.Context, url string, clients int, say func(string, ...any)) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := booking.Install(ctx, conn); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, booking.Partitions(time.Now())); err != nil {
			return err
		}
		return booking.DropConstraints(ctx, tx)
	})
	if err != nil {
		return err
	}
	for _, part := range sections(seedSQL, "-- table: ") {
		say("seeding %s …", part.name)
		if err := fill(ctx, conn, part, clients); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	say("keys and indexes …")
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return booking.AddConstraints(ctx, tx) }); err != nil {
		return err
	}
	say("statistics …")
	_, err = conn.Exec(ctx, "VACUUM (FREEZE, ANALYZE)")
	return err
}

// fill fills one table. It truncates the table first: with wal_level minimal,
// PostgreSQL logs no rows of a table that the same transaction has truncated.
func fill(ctx context.Context, conn *pgx.Conn, part section, clients int) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"SET LOCAL work_mem = '256MB'; SET LOCAL jit = off",
			"TRUNCATE " + part.name,
			strings.ReplaceAll(part.sql, ":clients", strconv.Itoa(clients)),
			"SELECT setval(pg_get_serial_sequence('" + part.name + "', 'id'), greatest(max(id), 1)) FROM " + part.name,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// section is a part of an SQL file and the table that it is about.
type section struct{ name, sql string }

// sections splits a file at lines that begin with mark and a table's name.
func sections(file, mark string) []section {
	var all []section
	for _, part := range strings.Split("\n"+file, "\n"+mark)[1:] {
		head, sql, _ := strings.Cut(part, "\n")
		name, _, _ := strings.Cut(head, ":")
		all = append(all, section{strings.TrimSpace(name), sql})
	}
	return all
}

// splitSQL splits statements that contain no semicolon.
func splitSQL(sql string) []string { return strings.Split(sql, ";") }
