package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/internal/local"
)

// lab is a server with a seeded database. Contenders work on copies of it.
type lab struct {
	pg    *local.Postgres
	admin *pgx.Conn
	size  size
	log   io.Writer
	slow  *link

	seeded time.Duration
}

// settings give every contender the same conditions: a run starts right after a
// checkpoint and has no other, and segments of the write-ahead log exist from the
// start. Autovacuum is on, as in production; a new copy has nothing to vacuum.
var settings = map[string]string{
	"max_wal_size":              "12GB",
	"min_wal_size":              "4GB",
	"checkpoint_timeout":        "1h",
	"max_locks_per_transaction": "256",
}

// whileSeeding gives up durability for speed until the data is written.
const whileSeeding = `
	ALTER SYSTEM SET fsync = off;
	ALTER SYSTEM SET wal_level = minimal;
	ALTER SYSTEM SET max_wal_senders = 0;
	ALTER SYSTEM SET autovacuum = off`

const pristine = "pristine"

func openLab(ctx context.Context, s size, stderr io.Writer) (_ *lab, err error) {
	start := time.Now()
	l := &lab{size: s, log: stderr}
	set := maps.Clone(settings)
	if s.profile {
		maps.Copy(set, map[string]string{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"})
	}
	l.pg, err = figures.StartPostgres(ctx, stderr, local.PostgresOptions{SharedBuffers: "512MB", Settings: set})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.pg.Close())
		}
	}()
	for _, statement := range splitSQL(whileSeeding) {
		if err := l.once(ctx, statement); err != nil {
			return nil, err
		}
	}
	if err := l.restart(ctx); err != nil {
		return nil, err
	}
	if err := l.once(ctx, "CREATE DATABASE "+pristine); err != nil {
		return nil, err
	}
	if err := seed(ctx, l.pg.URL(pristine), s.clients, l.say); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	if err := l.once(ctx, "ALTER SYSTEM RESET ALL"); err != nil {
		return nil, err
	}
	if err := l.restart(ctx); err != nil {
		return nil, err
	}
	if l.admin, err = pgx.Connect(ctx, l.pg.URL("postgres")); err != nil {
		return nil, err
	}
	l.seeded = time.Since(start)
	if s.profile {
		return l, l.openProfile(ctx)
	}
	return l, nil
}

func (l *lab) restart(ctx context.Context) error {
	l.pg.Stop()
	return l.pg.Start(ctx)
}

// once runs one statement on a new connection.
func (l *lab) once(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, l.pg.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func (l *lab) close() error {
	return errors.Join(l.admin.Close(context.Background()), l.pg.Close())
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.log, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// clone is a copy of the pristine database.
type clone struct {
	*lab
	name string
}

func (c *clone) url() string { return c.pg.URL(c.name) }

// clone makes a copy and drops the one before it, so that the disk never has more
// than two databases.
func (l *lab) clone(ctx context.Context) (*clone, error) {
	const name = "copy"
	if err := l.drop(ctx, name); err != nil {
		return nil, err
	}
	strategy := ""
	var version int
	if err := l.admin.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return nil, err
	}
	if version >= 150000 {
		strategy = " STRATEGY file_copy" // the other one writes all to the write-ahead log
	}
	if _, err := l.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+pristine+strategy); err != nil {
		return nil, fmt.Errorf("copy the database: %w", err)
	}
	return &clone{l, name}, nil
}

func (l *lab) drop(ctx context.Context, name string) error {
	_, err := l.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return err
}

// wal returns how many bytes f writes to the write-ahead log.
func (l *lab) wal(ctx context.Context, f func() error) (int64, error) {
	var before, after int64
	const position = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
	if err := l.admin.QueryRow(ctx, position).Scan(&before); err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	err := l.admin.QueryRow(ctx, position).Scan(&after)
	return after - before, err
}
