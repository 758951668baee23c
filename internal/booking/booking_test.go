package booking_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/testdb"
)

var now = time.Date(2026, time.March, 18, 11, 30, 0, 0, time.UTC)

// few is a database small enough to be loaded with its constraints in place.
var few = testdb.Template{Name: "booking_few", Build: build(600)}

// many is a database large enough that Seed drops the constraints and creates
// them again.
var many = testdb.Template{Name: "booking_many", Build: build(2_000)}

func build(clients int) func(context.Context, *pgxpool.Pool) error {
	return func(ctx context.Context, db *pgxpool.Pool) error {
		if err := booking.Install(ctx, db); err != nil {
			return err
		}
		_, err := booking.Seed(ctx, db, booking.Options{Seed: 7, Clients: clients, Studios: 5, Now: now})
		return err
	}
}

func mustExec(t *testing.T, db *pgxpool.Pool, sql string, args ...any) int64 {
	t.Helper()
	tag, err := db.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return tag.RowsAffected()
}

func mustScan[T any](t *testing.T, db *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func mustColumn[T any](t *testing.T, db *pgxpool.Pool, sql string, args ...any) []T {
	t.Helper()
	found, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// mustErase erases clients with hand-written statements that follow the map, as
// far as these tests need it: each client's rows are deleted, or moved to a new
// anonymous profile of the studio.
func mustErase(t *testing.T, db *pgxpool.Pool, ids []int64) {
	t.Helper()
	mustExec(t, db, `CREATE TABLE successor AS
		SELECT id AS old, nextval(pg_get_serial_sequence('clients', 'id')) AS new FROM clients WHERE id = ANY ($1)`, ids)
	for _, sql := range strings.Split(`
		INSERT INTO clients (id, studio_id, first_name, is_anonymous)
			SELECT new, studio_id, 'Client inconnu', true FROM clients JOIN successor ON old = id;
		UPDATE invoice_lines SET participation_id = NULL
			FROM invoices i JOIN successor ON old = i.client_id WHERE i.id = invoice_id;
		UPDATE appointments SET client_id = new, client_name = 'Client inconnu', note = NULL FROM successor WHERE old = client_id;
		UPDATE participations SET client_id = new, comment = NULL FROM successor WHERE old = client_id;
		UPDATE invoices SET client_id = new FROM successor WHERE old = client_id;
		DELETE FROM client_notes USING successor WHERE old = client_id;
		DELETE FROM messages USING successor WHERE old = client_id;
		DELETE FROM memberships USING successor WHERE old = client_id;
		DELETE FROM consents USING successor WHERE old = client_id;
		DELETE FROM audit_log USING successor WHERE old = subject_id AND subject_type = 'Client';
		UPDATE clients SET referred_by = NULL FROM successor WHERE old = referred_by;
		DELETE FROM clients USING successor WHERE old = id;
		DELETE FROM addresses WHERE NOT EXISTS (SELECT FROM clients WHERE address_id = addresses.id);
		DROP TABLE successor`, ";") {
		mustExec(t, db, sql)
	}
}

// someIDs returns every tenth client. Some of them share a class or an address
// with others, or were recommended by them.
func someIDs(t *testing.T, db *pgxpool.Pool) []int64 {
	t.Helper()
	return mustColumn[int64](t, db, "SELECT id FROM clients WHERE id % 10 = 3 ORDER BY id")
}
