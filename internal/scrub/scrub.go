package scrub

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Scrubber removes erased values from the files of one database. It has a
// connection of its own, with the rights of an operator. It must not be used
// concurrently.
type Scrubber struct {
	url  string
	conn *pgx.Conn
	plan *plan.Plan
}

// Open connects and compiles the map. A map with gaps is refused, because it does
// not name all tables that may hold erased values.
func Open(ctx context.Context, url string, m *erasuremap.Map) (*Scrubber, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, pgfault.Wrap("read database URL", err)
	}
	pgsession.Prepare(cfg, "oubli scrub")
	// On cancellation, wait until the server has received the cancel request.
	// Otherwise this process could end first, and the table would stay locked.
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 10 * time.Second}
	}
	conn, err := pgsession.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Scrubber{url: url, conn: conn}
	if err := s.prepare(ctx, m); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *Scrubber) prepare(ctx context.Context, m *erasuremap.Map) error {
	var standby bool
	if err := s.conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return pgfault.Wrap("read the server's role", err)
	}
	if standby {
		return &jobs.Error{Kind: jobs.Conflict, Code: "standby",
			Msg: "this server is a standby, which copies the files of its primary: run oubli scrub on the primary"}
	}
	if err := repository.CheckVersion(ctx, s.conn); err != nil {
		return err
	}
	p, gaps, _, err := schema.Compile(ctx, s.conn, m)
	if err != nil {
		return err
	}
	if len(gaps) > 0 {
		return &jobs.Error{Kind: jobs.Conflict, Code: jobs.CodeSchema, Msg: gaps.Summary() + ": run oubli check"}
	}
	s.plan = p
	return nil
}

// Close ends the connection.
func (s *Scrubber) Close(ctx context.Context) {
	_ = s.conn.Close(context.WithoutCancel(ctx))
}

// Leftovers is the result of Inspect: where erased values may be left.
type Leftovers struct {
	Levels       []LevelCount
	Unmixed      []UnmixedCount
	Files        []File // tables and materialized views, each partition by itself, and the catalogs of statistics
	OldSnapshots []OldSnapshot
	WAL          *WAL // nil: the role has no right to read it
}

// LevelCount is the number of jobs and sweeps at a level, and the time since which
// the oldest of them has been there.
type LevelCount struct {
	Level jobs.ResidueLevel
	Mixed bool // and has not reached the next level: jobs.ResidueMixed
	Jobs  int
	Since *time.Time
}

// UnmixedCount is how many jobs have not reached the level mixed, and therefore no
// further one, and what keeps their rows from being mixed; Why is empty where they
// wait for others.
type UnmixedCount struct {
	Why  string
	Jobs int
}

// levelsSQL counts the levels that jobs say they have reached: jobs.NewResidue.
const levelsSQL = `
SELECT CASE WHEN mix = 'waiting' THEN 0 ELSE level END, coalesce(mix = 'mixed', false) AND level = 0, count(*), min(since)
FROM oubli.residues GROUP BY 1, 2 ORDER BY 1, 2`

const unmixedSQL = "SELECT mix_reason, count(*) FROM oubli.residues WHERE mix = 'waiting' GROUP BY 1 ORDER BY 1"

func unmixed(ctx context.Context, conn *pgx.Conn) ([]UnmixedCount, error) {
	rows, err := conn.Query(ctx, unmixedSQL)
	if err != nil {
		return nil, pgfault.Wrap("read levels", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[UnmixedCount])
	return all, pgfault.Wrap("read levels", err)
}

// File is one table and its indexes.
type File struct {
	Name       string // quoted, with its schema
	Bytes      int64  // with indexes and TOAST
	Rewritten  *time.Time
	Due        bool // something was erased since it was last rewritten
	MayRewrite bool // the role has the right to rewrite it
	catalog    bool
}

// OldSnapshot is a session, prepared transaction or replication slot that may
// still see deleted rows. PostgreSQL keeps such rows even in a rewritten table.
type OldSnapshot struct {
	Kind, Name string
}

// WAL is the directory of the write-ahead log.
type WAL struct {
	Segments int
	Bytes    int64
}

// Inspect finds what is left. It changes nothing.
func (s *Scrubber) Inspect(ctx context.Context) (Leftovers, error) {
	var l Leftovers
	rows, err := s.conn.Query(ctx, levelsSQL)
	if err != nil {
		return l, pgfault.Wrap("read levels", err)
	}
	if l.Levels, err = pgx.CollectRows(rows, pgx.RowToStructByPos[LevelCount]); err != nil {
		return l, pgfault.Wrap("read levels", err)
	}
	if l.Unmixed, err = unmixed(ctx, s.conn); err != nil {
		return l, err
	}
	if l.Files, err = s.files(ctx); err != nil {
		return l, err
	}
	horizon, err := s.horizon(ctx)
	if err != nil {
		return l, err
	}
	if l.OldSnapshots, err = s.oldSnapshots(ctx, horizon); err != nil {
		return l, err
	}
	var w WAL
	err = s.conn.QueryRow(ctx, "SELECT count(*), coalesce(sum(size), 0) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'").
		Scan(&w.Segments, &w.Bytes)
	switch {
	case err == nil:
		l.WAL = &w
	case !pgfault.Is(err, "42501"):
		return l, pgfault.Wrap("read the write-ahead log's directory", err)
	}
	return l, nil
}

// statisticsCatalogs contain values of rows, also in their dead rows.
var statisticsCatalogs = []string{"pg_catalog.pg_statistic", "pg_catalog.pg_statistic_ext_data"}

// files lists the tables that have to be rewritten. Small tables come first, so that
// most are done if the time window ends early. The catalogs come last, because
// ANALYZE leaves dead rows there.
func (s *Scrubber) files(ctx context.Context) ([]File, error) {
	tables := slices.Concat(statisticsCatalogs, s.plan.AffectedTables)
	if s.plan.KeepsValues {
		tables = append(tables, "oubli.former_values")
	}
	rows, err := s.conn.Query(ctx, `
		WITH touched AS (SELECT unnest($1::text[])::regclass AS id),
		leaves AS (
		  SELECT id FROM touched WHERE NOT EXISTS (SELECT FROM pg_partition_tree(id))
		  UNION
		  SELECT tree.relid FROM touched CROSS JOIN LATERAL pg_partition_tree(id) AS tree WHERE tree.isleaf),
		named AS (
		  SELECT c.oid, c.relowner, format('%I.%I', n.nspname, c.relname) AS name, n.nspname = 'pg_catalog' AS catalog
		  FROM leaves JOIN pg_class AS c ON c.oid = id JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm'))
		SELECT name, pg_total_relation_size(named.oid), began_at,
		  coalesce(began_at <= latest.since, latest.since IS NOT NULL AND began_at IS NULL),
		  pg_has_role(relowner, 'USAGE') OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()), catalog
		FROM named LEFT JOIN oubli.rewrites ON relation = name
		CROSS JOIN (SELECT max(since) FROM oubli.residues WHERE level < 2) AS latest (since)
		ORDER BY catalog, 2, 1`, tables)
	if err != nil {
		return nil, pgfault.Wrap("list tables", err)
	}
	files, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f File, err error) {
		err = row.Scan(&f.Name, &f.Bytes, &f.Rewritten, &f.Due, &f.MayRewrite, &f.catalog)
		return f, err
	})
	return files, pgfault.Wrap("list tables", err)
}

// horizon is a transaction number. If oubli.residues was read before, every
// transaction that erased something recorded there has a smaller number.
func (s *Scrubber) horizon(ctx context.Context) (uint32, error) {
	var xid uint32
	err := s.conn.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid").Scan(&xid)
	return xid, pgfault.Wrap("read the transaction horizon", err)
}

// oldSnapshots lists sessions, prepared transactions and replication slots that may
// still see rows that were deleted before the horizon. A rewrite copies such rows.
// VACUUM is left out: it has a snapshot too, but does not need these rows.
func (s *Scrubber) oldSnapshots(ctx context.Context, horizon uint32) ([]OldSnapshot, error) {
	rows, err := s.conn.Query(ctx, `
		SELECT kind, name FROM (
		  SELECT 'session' AS kind, pid || ' ' || application_name AS name, greatest(age(backend_xmin), age(backend_xid)) AS age
		  FROM pg_stat_activity
		  WHERE pid <> pg_backend_pid() AND (datname = current_database() OR backend_type = 'walsender')
		    AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
		  UNION ALL
		  SELECT 'prepared transaction', gid, age(transaction) FROM pg_prepared_xacts WHERE database = current_database()
		  UNION ALL
		  SELECT 'replication slot', slot_name, greatest(age(xmin), age(catalog_xmin)) FROM pg_replication_slots) AS h
		WHERE age > age($1::xid) ORDER BY age DESC`, horizon)
	if err != nil {
		return nil, pgfault.Wrap("find old snapshots", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[OldSnapshot])
	return all, pgfault.Wrap("find old snapshots", err)
}
