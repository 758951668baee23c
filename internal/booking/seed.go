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
	// Seed is the seed of the random numbers: the same Seed, sizes and Now give the
	// same rows.
	Seed uint64
	// Studios is how many studios there are; 0 means 4, one for each country. At
	// most Clients.
	Studios int
	// Clients is how many clients all studios have together; 0 means 20,000. It must
	// be less than [MaxClients].
	Clients int
	// Now separates past from future; zero means the current time.
	Now time.Time
	// Progress, when set, is called from time to time with the number of clients
	// written. Indexes and statistics are created after the last call.
	Progress func(done, total int64)
}

// bulkFrom is the number of clients from which it is faster to create secondary
// indexes and foreign keys after the load.
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

// Seed fills an installed, empty database with about 24 rows for each client.
// More than a third of the clients have been inactive for over a year, and every
// guard holds for some. Seed writes in one transaction; memory does not grow with
// the number of clients. Last, it updates the planner's statistics.
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
		rows, done, err := g.nextChunk()
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

// Partitions returns the SQL that creates the monthly partitions of messages,
// from the first month that is kept to next month.
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

// AddConstraints creates the keys and indexes after a bulk load.
func AddConstraints(ctx context.Context, tx pgx.Tx) error {
	// With the default of 64 MB, indexes over millions of rows are built on disk.
	_, err := tx.Exec(ctx, "SET LOCAL maintenance_work_mem = '256MB';"+constraintsSQL)
	return err
}

// DropConstraints drops what constraints.sql creates, so that a bulk load need
// not update indexes and check keys row by row. It reads the names from the
// catalog.
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

// advanceSequences sets the sequences to the last ids written, so that the
// application's next rows get the ids after them.
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
