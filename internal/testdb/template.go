package testdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Template is a database that is built once per server and then cloned.
type Template struct {
	// Name identifies the template. Required.
	Name string
	// Version identifies the state of everything that Build depends on, such as
	// a hash of the schema's SQL. Packages that use the same name and version
	// share the template. Default: the hash of the test binary, so that only
	// runs of the same binary share it.
	Version string
	// Build fills the database. It runs under a lock, so that no other builder
	// runs, and must close its connections.
	Build func(ctx context.Context, pool *pgxpool.Pool) error
}

const (
	templatePrefix = "oubli_template_"
	// templateLock is the advisory lock under which templates are built. Such
	// locks are per database: all builders take it in the one that the server's
	// URL names.
	templateLock = 0x6f75626c69 // "oubli"
	// templateAge is the age at which a template is dropped when the next one is
	// built, so that they do not pile up on a server that is kept.
	templateAge = 24 * time.Hour
)

// built lists the templates that this process knows to be finished.
var built sync.Map

// ensure returns the name of the finished template, building it if need be.
func (t Template) ensure(ctx context.Context, base string) (string, error) {
	name, err := t.database()
	if err != nil {
		return "", err
	}
	if _, ok := built.Load(name); ok {
		return name, nil
	}
	admin, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", err
	}
	// Closing the connection releases the lock.
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return "", err
	}
	var finished bool
	err = admin.QueryRow(ctx, "SELECT datistemplate FROM pg_database WHERE datname = $1", name).Scan(&finished)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", err
	}
	if !finished {
		dropOld(ctx, admin)
		if err := t.build(ctx, admin, base, name); err != nil {
			return "", err
		}
	}
	built.Store(name, true)
	return name, nil
}

// build makes the template under a lock. It sets is_template last: a database
// without it comes from an interrupted build.
func (t Template) build(ctx context.Context, admin *pgx.Conn, base, name string) error {
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + quote(name) + " WITH (FORCE)",
		"CREATE DATABASE " + quote(name) + " TEMPLATE template0",
		fmt.Sprintf("COMMENT ON DATABASE %s IS '%s'", quote(name), time.Now().UTC().Format(time.RFC3339)),
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	pool, err := pgxpool.New(ctx, withDatabase(base, name))
	if err != nil {
		return err
	}
	err = t.Build(ctx, pool)
	if !closed(pool) {
		err = errors.Join(err, errors.New("connections of the pool are still in use after Build"))
	}
	if err != nil {
		return err
	}
	// When nobody may connect, no clone has to wait for an open connection.
	_, err = admin.Exec(ctx, "ALTER DATABASE "+quote(name)+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return err
}

// dropOld drops old templates. It ignores errors: a template that is being cloned
// is dropped the next time.
func dropOld(ctx context.Context, admin *pgx.Conn) {
	rows, err := admin.Query(ctx, `
		SELECT datname FROM pg_database
		WHERE starts_with(datname, $1) AND shobj_description(oid, 'pg_database') < $2`,
		templatePrefix, time.Now().UTC().Add(-templateAge).Format(time.RFC3339))
	if err != nil {
		return
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	for _, name := range names {
		_, _ = admin.Exec(ctx, "ALTER DATABASE "+quote(name)+" WITH IS_TEMPLATE false")
		_, _ = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name))
	}
}

// database returns the template's database name.
func (t Template) database() (string, error) {
	if t.Name == "" || t.Build == nil {
		return "", errors.New("want a Name and a Build")
	}
	version := t.Version
	if version == "" {
		var err error
		if version, err = binaryHash(); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(t.Name + "\x00" + version))
	// PostgreSQL cuts names after 63 bytes; the hash must stay complete.
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name))
	return templatePrefix + readable[:min(len(readable), 24)] + "_" + hex.EncodeToString(sum[:8]), nil
}

var binaryHash = sync.OnceValues(func() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
})

// clone copies a database. PostgreSQL waits five seconds for others to leave
// the source and then refuses with object_in_use.
func clone(ctx context.Context, base, name, source string) error {
	for {
		err := exec(ctx, base, "CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(source))
		pg, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pg.Code != "55006" {
			return err
		}
	}
}
