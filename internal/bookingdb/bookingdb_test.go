package bookingdb_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oubli/oubli/internal/bookingdb"
)

// TestTheRolesOfTestsMayDoTheirWorkAndNothingElse is why a test that passes
// under these roles says that oubli grants is enough, and no more than that.
func TestTheRolesOfTestsMayDoTheirWorkAndNothingElse(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 40)
	for _, c := range []struct {
		sql         string
		api, worker bool // may
	}{
		{"SELECT count(*) FROM clients", true, true},
		{"SELECT count(*) FROM appointments", true, true},
		{"SELECT count(*) FROM oubli.jobs", true, true},
		{"UPDATE clients SET first_name = first_name WHERE false", false, false},
		{"DELETE FROM clients WHERE false", false, true},
		{"DELETE FROM appointments WHERE false", false, false},
		{"UPDATE appointments SET starts_at = starts_at WHERE false", false, false},
		{"UPDATE appointments SET client_id = client_id WHERE false", false, true},
		{"UPDATE invoices SET number = number WHERE false", false, false},
		{"SELECT count(*) FROM invoice_lines", true, true}, // GET /v1/clients/{id} counts a client's rows
		{"UPDATE invoice_lines SET participation_id = participation_id WHERE false", false, true},
		{"SELECT count(*) FROM staff", false, false},
		{"UPDATE studios SET name = name WHERE false", false, false},
		{"SELECT count(*) FROM oubli.former_values", false, true},
		{"DELETE FROM oubli.schema_version", false, false},
		{"CREATE TABLE mine (id int)", false, false},
		{"CREATE TABLE oubli.mine (id int)", false, false},
		{"CREATE ROLE somebody", false, false},
		{"ALTER TABLE clients ADD COLUMN mine text", false, false},
		{"TRUNCATE clients", false, false},
		{"SELECT count(*) FROM pg_authid", false, false},
		{"COPY (SELECT 1) TO PROGRAM 'true'", false, false},
	} {
		var may []bool
		for _, url := range []string{db.APIURL, db.URL} {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			_, err = conn.Exec(t.Context(), "BEGIN; "+c.sql+"; ROLLBACK")
			_ = conn.Close(t.Context())
			if pg, refused := errors.AsType[*pgconn.PgError](err); err != nil && (!refused || pg.Code != "42501") {
				t.Fatalf("%s: %v", c.sql, err)
			}
			may = append(may, err == nil)
		}
		if want := []bool{c.api, c.worker}; !slices.Equal(may, want) {
			t.Errorf("%s: API and worker may: %v, want %v", c.sql, may, want)
		}
	}
}
