package repository_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// provoked is the demo's map, with a trigger that a test is about to add.
func provoked(t *testing.T) *erasuremap.Map {
	t.Helper()
	yaml := bytes.Replace(booking.Map(), []byte("\ntriggers:\n"), []byte(`
triggers:
  - {name: provoked, because: "a test"}
`), 1)
	m, err := erasuremap.Parse("oubli.yaml", yaml)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// provoke makes PostgreSQL refuse to delete a client by what body does, and
// say as much about the client as it can.
func provoke(t *testing.T, db *bookingdb.DB, key, body string) {
	t.Helper()
	db.Exec(t, "UPDATE clients SET email = 'anna-vezbabababa@private.example' WHERE id = $1::bigint", key)
	for _, sql := range []string{
		"CREATE SCHEMA elsewhere",
		`CREATE TABLE elsewhere.taken (
			mark text
			  CONSTRAINT taken_email_key UNIQUE
			  CONSTRAINT taken_email_check CHECK (mark <> 'anna-vezbabababa@private.example'))`,
		"CREATE TABLE elsewhere.twice (mark text CONSTRAINT twice_email_key UNIQUE)",
		"INSERT INTO elsewhere.twice VALUES ('anna-vezbabababa@private.example')",
		"GRANT USAGE ON SCHEMA elsewhere TO PUBLIC", // the trigger runs as the worker's role
		"GRANT INSERT ON ALL TABLES IN SCHEMA elsewhere TO PUBLIC",
		`CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		  IF OLD.id = ` + key + ` THEN
		    ` + body + `;
		  END IF;
		  RETURN OLD;
		END $$`,
		"CREATE TRIGGER provoked BEFORE DELETE ON clients FOR EACH ROW EXECUTE FUNCTION provoke()",
	} {
		db.Exec(t, sql)
	}
}

// PostgreSQL quotes a refused row in its message. No error may contain any of it.
func TestNoErrorContainsPostgreSQLsTextAboutARow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body, code string
		kind       jobs.ErrorKind
	}{
		"raised":    {"RAISE EXCEPTION 'cannot delete %', OLD.email USING DETAIL = OLD.email, HINT = OLD.last_name", "P0001", jobs.Invalid},
		"bad cast":  {"PERFORM OLD.email::int", "22P02", jobs.Invalid},
		"check":     {"INSERT INTO elsewhere.taken VALUES (OLD.email)", "23514:taken_email_check", jobs.Invalid},
		"unique":    {"INSERT INTO elsewhere.twice VALUES (OLD.email)", "23505:twice_email_key", jobs.Invalid},
		"undefined": {"EXECUTE format('SELECT %I', OLD.email)", "42703", jobs.Invalid},
		"internal":  {"RAISE EXCEPTION '%', OLD.email USING ERRCODE = 'XX000'", "XX000", jobs.Internal},
		"standby":   {"RAISE EXCEPTION '%', OLD.email USING ERRCODE = '25006'", jobs.CodeUnavailable, jobs.Unavailable},
		"memory":    {"RAISE EXCEPTION '%', OLD.email USING ERRCODE = '53200'", jobs.CodeUnavailable, jobs.Unavailable},
		"deadlock":  {"RAISE EXCEPTION '%', OLD.email USING ERRCODE = '40P01'", jobs.CodeUnavailable, jobs.Unavailable},
		"cancelled": {"RAISE EXCEPTION '%', OLD.email USING ERRCODE = '57014'", jobs.CodeTimeout, jobs.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := bookingdb.New(t, 300)
			erasable(t, db)
			s := open(t, db, func(o *repository.Options) { o.Map, o.MaxConns = provoked(t), 1 })
			keys := db.Clients(t, 1, 5)
			provoke(t, db, keys[2], test.body)
			j := accept(t, s, "1", keys)
			c := claimFirst(t, s)

			_, err := s.EraseChunk(t.Context(), c, 5)
			e, ok := errors.AsType[*jobs.Error](err)
			if !ok || e.Kind != test.kind || e.Code != test.code {
				t.Fatalf("got %v (%+v), want kind %s and code %s", err, e, test.kind, test.code)
			}
			if strings.Contains(err.Error(), "vezbabababa") || strings.Contains(err.Error(), "private") {
				t.Errorf("the error contains data of the client: %s", err)
			}
			if c.Position != 0 || len(db.Existing(t, keys)) != 5 {
				t.Errorf("the refused chunk moved the claim to %d and left %v", c.Position, db.Existing(t, keys))
			}
			// The one connection of the pool is clean, and serves the others.
			idle(t, db)
			mustErase(t, s, c, 2)
			if err := s.FailClient(t.Context(), c, e.Code, e.Detail); err != nil {
				t.Fatal(err)
			}
			mustErase(t, s, c, 2)
			if err := s.Finish(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := job(t, s, j.ID)
			if got.State != jobs.CompletedWithExceptions || got.Counts.Failed != 1 || got.Exceptions[test.code] != 1 || got.Counts.Pending != 0 {
				t.Errorf("job: %+v", got)
			}
			if left := db.Existing(t, keys); len(left) != 1 || left[0] != keys[2] {
				t.Errorf("left: %v, want the one that was refused", left)
			}
			for _, table := range []string{"jobs", "tasks", "exceptions"} {
				if n := db.Int(t, "SELECT count(*) FROM oubli."+table+" AS t WHERE t::text LIKE '%vezbabababa%'"); n > 0 {
					t.Errorf("oubli.%s contains data of the client", table)
				}
			}
		})
	}
}

// The message of a refused login has the role and the database; the SQLSTATE is
// not an error of the clients of the current chunk.
func TestARefusedConnectionIsAnErrorOfTheInfrastructure(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 100)
	_, err := repository.Open(t.Context(), repository.Options{URL: strings.Replace(db.URL, "?", "_gone?", 1), Map: bookingdb.Map(t)})
	if jobs.KindOf(err) != jobs.Unavailable || !strings.Contains(err.Error(), "3D000") || strings.Contains(err.Error(), "_gone") {
		t.Errorf("got %v", err)
	}
}

func TestAMissingRightIsReportedAndFailsNoClient(t *testing.T) {
	t.Parallel()
	db := bookingdb.New(t, 600)
	s := open(t, db)
	keys := db.Clients(t, 1, 20)
	accept(t, s, "1", keys)
	c := claimFirst(t, s)
	db.Exec(t, "REVOKE DELETE ON messages FROM "+db.WorkerRole)
	_, err := s.EraseChunk(t.Context(), c, 10)
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok || e.Kind != jobs.Conflict || e.Code != jobs.CodeOperator ||
		!strings.Contains(e.Error(), "DELETE on public.messages") || !strings.Contains(e.Error(), "oubli grants") {
		t.Fatalf("got %v, want a refusal that names the right and oubli grants", err)
	}
	db.Exec(t, "GRANT DELETE ON messages TO "+db.WorkerRole)
	if _, err := s.EraseChunk(t.Context(), c, 10); err != nil {
		t.Errorf("with the right back: %v", err)
	}
}
