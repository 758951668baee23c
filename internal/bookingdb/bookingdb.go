// Package bookingdb gives each test a seeded booking database of its own, with
// the control schema, and functions that check from outside whether an erasure
// kept its guarantees.
package bookingdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/internal/testdb"
	"github.com/oubli/oubli/repository"
)

// seed is the seed of every test database; OUBLI_TEST_SEED changes it. The rows
// also depend on the current time, which guards compare with: other seeds show
// today what could fail on another day. It is read when a test runs, so that go
// test does not reuse the cached result of another seed.
var seed = sync.OnceValue(func() uint64 {
	given := os.Getenv("OUBLI_TEST_SEED")
	if given == "" {
		return 20260101
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		panic("OUBLI_TEST_SEED: " + err.Error())
	}
	return n
})

// DB is a seeded database and the totals from before anything was erased.
type DB struct {
	Pool   *pgxpool.Pool // as the owner of everything
	URL    string        // as the workers' role, with the rights that oubli grants gives it and no others
	APIURL string        // as the API's role, likewise
	// WorkerRole is the role of URL.
	WorkerRole string
	Totals     []booking.StudioTotals // before
}

// Control is a database that contains only the control schema.
var Control = testdb.Template{Name: "control", Build: func(ctx context.Context, pool *pgxpool.Pool) error {
	_, _, err := repository.Migrate(ctx, pool.Config().ConnString())
	return err
}}

// New clones a database with this many clients in four studios.
func New(tb testing.TB, clients int) *DB {
	tb.Helper()
	tb.Logf("booking data of seed %d", seed())
	build := func(ctx context.Context, pool *pgxpool.Pool) error { return Fill(ctx, pool, clients) }
	name := fmt.Sprintf("booking%d of seed %d", clients, seed())
	return describe(tb, testdb.New(tb, testdb.Template{Name: name, Build: build}))
}

// On is New on a server that only this test uses, given by the URL of its
// superuser.
func On(tb testing.TB, server string, clients int) *DB {
	tb.Helper()
	Connect(tb, server).Exec(tb, "CREATE DATABASE booking TEMPLATE template0")
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	u.Path = "/booking"
	db := Connect(tb, u.String())
	if err := Fill(tb.Context(), db.Pool, clients); err != nil {
		tb.Fatal(err)
	}
	return describe(tb, db.Pool)
}

// Connect opens any database, under the role that the URL names.
func Connect(tb testing.TB, url string) *DB {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return &DB{Pool: pool, URL: url}
}

// Fill fills an empty database with this many clients in four studios, the
// control schema, and the roles with their rights.
func Fill(ctx context.Context, pool *pgxpool.Pool, clients int) error {
	if err := booking.Install(ctx, pool); err != nil {
		return err
	}
	if _, err := booking.Seed(ctx, pool, booking.Options{Seed: seed(), Clients: clients}); err != nil {
		return err
	}
	if _, _, err := repository.Migrate(ctx, pool.Config().ConnString()); err != nil {
		return err
	}
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		return err
	}
	p, err := covering(ctx, pool, m)
	if err != nil {
		return err
	}
	return grant(ctx, pool, p)
}

func describe(tb testing.TB, pool *pgxpool.Pool) *DB {
	tb.Helper()
	totals, err := booking.Totals(tb.Context(), pool)
	if err != nil {
		tb.Fatal(err)
	}
	db := Granted(tb, pool)
	db.Totals = totals
	return db
}

// Grant gives the test roles what oubli grants prints for a map, on a database
// that the map covers, and returns the database under them.
func Grant(tb testing.TB, pool *pgxpool.Pool, m *erasuremap.Map) *DB {
	tb.Helper()
	p, err := covering(tb.Context(), pool, m)
	if err != nil {
		tb.Fatalf("grant: %v", err)
	}
	return GrantPlan(tb, pool, p)
}

// GrantPlan is Grant for a map that was checked already.
func GrantPlan(tb testing.TB, pool *pgxpool.Pool, p *plan.Plan) *DB {
	tb.Helper()
	if err := grant(tb.Context(), pool, p); err != nil {
		tb.Fatalf("grant: %v", err)
	}
	for _, r := range p.Map.Refresh {
		if err := lendView(tb.Context(), pool, pgx.Identifier{r.View.Schema, r.View.Relation}); err != nil {
			tb.Fatalf("grant: %v", err)
		}
	}
	return Granted(tb, pool)
}

// lendView lets the workers refresh a view, as oubli grants recommends: a role
// that may only read the view's tables becomes its owner, and the workers' role a
// member of that role.
func lendView(ctx context.Context, pool *pgxpool.Pool, view pgx.Identifier) error {
	if view[0] == "" {
		view = view[1:]
	}
	const owner = "oubli_test_views"
	_, err := pool.Exec(ctx, fmt.Sprintf(`DO $$
	DECLARE
		source text;
	BEGIN
		BEGIN
			CREATE ROLE %[1]s;
			GRANT %[1]s TO %[2]s;
		EXCEPTION WHEN duplicate_object OR unique_violation THEN
			NULL;
		END;
		ALTER MATERIALIZED VIEW %[3]s OWNER TO %[1]s;
		FOR source IN SELECT DISTINCT d.refobjid::regclass FROM pg_rewrite AS r
			JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
			WHERE r.ev_class = '%[3]s'::regclass AND d.refobjid <> r.ev_class LOOP
			EXECUTE 'GRANT SELECT ON ' || source || ' TO %[1]s';
		END LOOP;
	END $$`, owner, workerRole, view.Sanitize()))
	return err
}

// Granted is a database whose template has the grants already.
func Granted(tb testing.TB, pool *pgxpool.Pool) *DB {
	tb.Helper()
	return &DB{Pool: pool, URL: as(tb, pool, workerRole), APIURL: as(tb, pool, apiRole), WorkerRole: workerRole}
}

// The roles that tests use. Roles belong to the server and stay when a database
// is dropped, so they are created only when they are missing.
const (
	apiRole    = "oubli_test_api"
	workerRole = "oubli_test_worker"
	rolesPass  = "oubli-test"
)

// covering is the plan of a map, which must cover the database.
func covering(ctx context.Context, pool *pgxpool.Pool, m *erasuremap.Map) (*plan.Plan, error) {
	p, gaps, _, err := schema.Check(ctx, pool.Config().ConnString(), m)
	if err == nil && len(gaps) > 0 {
		err = gaps
	}
	return p, err
}

func grant(ctx context.Context, pool *pgxpool.Pool, p *plan.Plan) error {
	for _, role := range []string{apiRole, workerRole} {
		// Another test may create the role at the same time.
		_, err := pool.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %s LOGIN PASSWORD '%s';
			EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`, role, rolesPass))
		if err != nil {
			return err
		}
	}
	// Roles belong to the server. When another test changes them at the same
	// time, PostgreSQL refuses one of the two.
	var err error
	for range 100 {
		_, err = pool.Exec(ctx, p.GrantScript(apiRole, workerRole))
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "XX000" && pg.Code != "23505" {
			break
		}
	}
	return err
}

// as is the URL of the database for another role.
func as(tb testing.TB, pool *pgxpool.Pool, role string) string {
	tb.Helper()
	u, err := asRole(testdb.URL(tb, pool), role)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func asRole(database, role string) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(role, rolesPass)
	return u.String(), nil
}

// RoleURLs are the URLs of a database for the workers' role and for the API's.
func RoleURLs(database string) (worker, api string, err error) {
	if worker, err = asRole(database, workerRole); err == nil {
		api, err = asRole(database, apiRole)
	}
	return worker, api, err
}

// Map is the demo's map.
func Map(tb testing.TB) *erasuremap.Map {
	tb.Helper()
	m, err := erasuremap.Parse("oubli.yaml", booking.Map())
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Clients lists n clients of a studio, by id.
func (d *DB) Clients(tb testing.TB, studio int64, n int) []string {
	tb.Helper()
	ids := d.Strings(tb, "SELECT id::text FROM clients WHERE studio_id = $1 AND NOT is_anonymous ORDER BY id LIMIT $2", studio, n)
	if len(ids) != n {
		tb.Fatalf("studio %d has %d clients, want %d", studio, len(ids), n)
	}
	return ids
}

// Strings runs a query that gives one column of texts.
func (d *DB) Strings(tb testing.TB, sql string, args ...any) []string {
	tb.Helper()
	rows, err := d.Pool.Query(tb.Context(), sql, args...)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			tb.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return all
}

// Int runs a query that gives one number.
func (d *DB) Int(tb testing.TB, sql string, args ...any) int {
	tb.Helper()
	var n int
	if err := d.Pool.QueryRow(tb.Context(), sql, args...).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// Exec runs a statement.
func (d *DB) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	if _, err := d.Pool.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatal(err)
	}
}

// IDs reads keys as numbers.
func IDs(tb testing.TB, keys []string) []int64 {
	tb.Helper()
	ids := make([]int64, len(keys))
	for i, k := range keys {
		if _, err := fmt.Sscan(k, &ids[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return ids
}

// Existing lists those of the keys that are still clients.
func (d *DB) Existing(tb testing.TB, keys []string) []string {
	tb.Helper()
	return d.Strings(tb, "SELECT id::text FROM clients WHERE id = ANY($1::text[]::bigint[]) ORDER BY id", keys)
}

// Untouched returns checksums of all rows that belong to none of these clients.
func (d *DB) Untouched(tb testing.TB, keys []string) []booking.TableDigest {
	tb.Helper()
	digest, err := booking.UntouchedDigest(tb.Context(), d.Pool, IDs(tb, keys))
	if err != nil {
		tb.Fatal(err)
	}
	return digest
}

// SameTotals fails the test when a studio's counts and sums, per day and per
// session, have changed (invariant I3).
func (d *DB) SameTotals(tb testing.TB) {
	tb.Helper()
	d.SameTotalsBut(tb, 0)
}

// SameTotalsBut is SameTotals without one studio, to which the test added rows.
func (d *DB) SameTotalsBut(tb testing.TB, studio int64) {
	tb.Helper()
	now, err := booking.Totals(tb.Context(), d.Pool)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range d.Totals {
		if d.Totals[i].StudioID != studio && (i >= len(now) || now[i] != d.Totals[i]) {
			tb.Errorf("totals of studio %d changed:\nbefore %+v\nafter  %+v", d.Totals[i].StudioID, d.Totals[i], now[i])
		}
	}
}

// NoTraces fails the test when a column that is not retained still contains data
// of these clients (invariant I4).
func (d *DB) NoTraces(tb testing.TB, keys []string) {
	tb.Helper()
	d.noTraces(tb, keys, booking.Trace.Retained)
}

// NoTracesAtAll is NoTraces for retained columns too, once their time is over.
func (d *DB) NoTracesAtAll(tb testing.TB, keys []string) {
	tb.Helper()
	d.noTraces(tb, keys, func(booking.Trace) bool { return false })
}

func (d *DB) noTraces(tb testing.TB, keys []string, allowed func(booking.Trace) bool) {
	tb.Helper()
	traces, err := booking.Traces(tb.Context(), d.Pool, IDs(tb, keys))
	if err != nil {
		tb.Fatal(err)
	}
	traces = slices.DeleteFunc(traces, allowed)
	if len(traces) > 0 {
		var lines []string
		for _, t := range traces {
			lines = append(lines, fmt.Sprintf("%s.%s: %d rows", t.Table, t.Column, t.Count))
		}
		tb.Errorf("traces of erased clients:\n%s", strings.Join(lines, "\n"))
	}
}

// Wait calls the function until it returns true, and fails the test after a
// minute.
func Wait(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("waited a minute for %s", what)
		case <-tb.Context().Done():
			tb.Fatalf("test ended while waiting: %s", what)
		}
	}
}
