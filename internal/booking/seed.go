package booking

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says what Seed writes.
type Options struct {
	// Seed decides everything: the same seed, sizes and Now write the same rows.
	Seed uint64
	// Studios is how many; 0 means 4, one for each country. At most Clients.
	Studios int
	// Clients of all studios together; 0 means 20,000, fewer than [MaxClients].
	Clients int
	// Now is the moment that past and future are seen from; zero means the
	// current time.
	Now time.Time
	// Progress, when set, is told from time to time how many clients have been
	// written. Indexes and statistics are made after the last one.
	Progress func(done, total int64)
}

// bulkFrom is the number of clients from which it is faster to load without
// secondary indexes and foreign keys, and to make them afterwards.
const bulkFrom = 2_000

func (o Options) validate() (Options, error) {
	if o.Studios == 0 {
		o.Studios = len(countries)
	}
	if o.Clients == 0 {
		o.Clients = 20_000
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Clients < 0 || o.Clients >= MaxClients {
		return o, fmt.Errorf("option Clients: want 1..%d, got %d", MaxClients-1, o.Clients)
	}
	if o.Studios < 0 || o.Studios > o.Clients {
		return o, fmt.Errorf("option Studios: want 1..%d (as many as clients), got %d", o.Clients, o.Studios)
	}
	return o, nil
}

// Summary is what Seed wrote.
type Summary struct {
	Studios  []Studio
	Clients  int64 // their ids are 1..Clients
	Rows     int64 // in all tables
	Inactive int64 // clients whose last appointment is over a year old
	// Clients held by each guard of the map; one client may be held by several.
	LegalHold, UnpaidBalance, OpenInvoice, FutureAppointment int64
}

// Studio is one studio of a [Summary].
type Studio struct {
	ID            int64
	Name, Country string
	Locale        string
	Clients       int64
}

// Seed fills an installed, empty database: about 24 rows for each client, over a
// third of them inactive for more than a year, some of every kind that a guard
// holds back. It does so in one transaction, streams (memory does not grow with
// the number of clients), and ends with the planner's statistics.
func Seed(ctx context.Context, db DB, o Options) (Summary, error) {
	o, err := o.validate()
	if err != nil {
		return Summary{}, fmt.Errorf("seed: %w", err)
	}
	g := newGenerator(o)
	err = inPublic(ctx, db, "seed", func(tx pgx.Tx) error { return g.load(ctx, tx, o) })
	if err != nil {
		return Summary{}, err
	}
	names := make([]string, len(tables))
	for t := range tables {
		names[t] = "public." + tables[t].name
	}
	if _, err := db.Exec(ctx, "VACUUM (ANALYZE) "+strings.Join(names, ", ")); err != nil {
		return Summary{}, fmt.Errorf("seed: analyze: %w", err)
	}
	return g.summary(), nil
}

func (g *generator) load(ctx context.Context, tx pgx.Tx, o Options) error {
	var seeded bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM studios) OR EXISTS (SELECT FROM clients)").Scan(&seeded); err != nil {
		return err
	}
	if seeded {
		return errors.New("the database already has studios or clients")
	}
	if _, err := tx.Exec(ctx, Partitions(g.now)); err != nil {
		return fmt.Errorf("create partitions: %w", err)
	}
	bulk := g.clients >= bulkFrom
	if bulk {
		if err := DropConstraints(ctx, tx); err != nil {
			return fmt.Errorf("drop constraints: %w", err)
		}
	}
	for {
		rows, done, err := g.wave()
		if err != nil {
			return err
		}
		if done {
			break
		}
		if err := rows.copy(ctx, tx); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(int64(g.done), int64(g.clients))
		}
	}
	if bulk {
		if err := AddConstraints(ctx, tx); err != nil {
			return fmt.Errorf("create constraints: %w", err)
		}
	}
	return g.advanceSequences(ctx, tx)
}

func (r *rows) copy(ctx context.Context, tx pgx.Tx) error {
	for t, of := range r {
		if len(of) == 0 {
			continue
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{tables[t].name}, tables[t].columns, pgx.CopyFromRows(of)); err != nil {
			return fmt.Errorf("copy %s: %w", tables[t].name, err)
		}
	}
	return nil
}

// Partitions is the SQL that makes the months of messages, from the first that
// is kept to the next.
func Partitions(now time.Time) string {
	var b strings.Builder
	month := firstMessage(now)
	for range messageMonths + 2 {
		next := month.AddDate(0, 1, 0)
		fmt.Fprintf(&b, "CREATE TABLE messages_%s PARTITION OF messages FOR VALUES FROM ('%s') TO ('%s');\n",
			month.Format("2006_01"), month.Format(time.RFC3339), next.Format(time.RFC3339))
		month = next
	}
	return b.String()
}

// AddConstraints makes the keys and indexes after a bulk load.
func AddConstraints(ctx context.Context, tx pgx.Tx) error {
	// The default of 64 MB makes index builds of millions of rows spill.
	_, err := tx.Exec(ctx, "SET LOCAL maintenance_work_mem = '256MB';"+constraintsSQL)
	return err
}

// DropConstraints undoes constraints.sql, whatever it has come to hold, so that
// a bulk load need not keep it up row by row.
func DropConstraints(ctx context.Context, tx pgx.Tx) error {
	const statements = `
		SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname)
		FROM pg_constraint c
		WHERE c.conrelid = ANY ($1::text[]::regclass[]) AND c.contype IN ('f', 'u')
		UNION ALL
		SELECT format('DROP INDEX %s', i.indexrelid::regclass)
		FROM pg_index i
		WHERE i.indrelid = ANY ($1::text[]::regclass[])
		  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)`
	names := make([]string, len(tables))
	for t := range tables {
		names[t] = tables[t].name
	}
	found, err := tx.Query(ctx, statements, names)
	if err != nil {
		return err
	}
	drops, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, strings.Join(drops, ";\n"))
	return err
}

// advanceSequences lets the application's next rows follow those written with
// ids of their own.
func (g *generator) advanceSequences(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	for t := range tables {
		if g.ids[t] > 0 {
			b.Queue("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", tables[t].name, g.ids[t])
		}
	}
	return tx.SendBatch(ctx, &b).Close()
}

func (g *generator) summary() Summary {
	sum := g.sum
	for _, s := range g.studios {
		sum.Studios = append(sum.Studios, Studio{ID: s.id, Name: s.name, Country: s.country.code, Locale: s.country.locale, Clients: s.clients})
	}
	sum.Clients = int64(g.done)
	for _, last := range g.ids {
		sum.Rows += last
	}
	return sum
}
