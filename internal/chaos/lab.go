//go:build unix

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/bookingdb"
	"github.com/oubli/oubli/internal/local"
)

// lab is the servers and the program, which all rounds share.
type lab struct {
	o       Options
	dir     string
	program string // oubli, built with the tag chaos
	mapFile string
	pg      *local.Postgres
	disk    *disk // that the database is on; nil: the machine's
	redis   *local.Redis
	keys    *redis.Client // to Redis, past the proxies
	mails   *mailServer
	proxies *toxiproxy.ApiServer
	stops   []func() error
}

// templateDB is the database that every round starts with a copy of.
const templateDB = "round_template"

// openLab starts the servers, fills the database and builds the program.
func openLab(ctx context.Context, o Options) (_ *lab, err error) {
	l := &lab{o: o, proxies: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "oubli-chaos-"); err != nil {
		return nil, err
	}
	l.stops = append(l.stops, func() error { return os.RemoveAll(l.dir) })
	if err = l.build(ctx); err != nil {
		return nil, err
	}
	l.mapFile = filepath.Join(l.dir, "oubli.yaml")
	if err = os.WriteFile(l.mapFile, mapWithTrouble(), 0o600); err != nil {
		return nil, err
	}
	if l.redis, err = local.StartRedis(ctx, local.RedisOptions{AppendOnly: true}); err != nil {
		return nil, err
	}
	l.stops = append(l.stops, l.redis.Close)
	options, err := redis.ParseURL(l.redis.URL(0))
	if err != nil {
		return nil, err
	}
	l.keys = redis.NewClient(options)
	l.stops = append(l.stops, l.keys.Close)
	if l.mails, err = openMailServer(); err != nil {
		return nil, err
	}
	l.stops = append(l.stops, l.mails.Close)
	return l, l.openDatabase(ctx)
}

// build builds the program with the tag chaos.
func (l *lab) build(ctx context.Context) error {
	l.program = filepath.Join(l.dir, "oubli-chaos")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "chaos", "-ldflags=-checklinkname=0", "-o", l.program,
		"github.com/oubli/oubli/internal/chaos/child")
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, out)
	}
	return nil
}

// openDatabase starts PostgreSQL, on a small disk of its own if possible, and
// fills the database that rounds begin with.
func (l *lab) openDatabase(ctx context.Context) (err error) {
	if l.o.Disk {
		if l.disk, err = openDisk(); err != nil {
			fmt.Fprintf(l.o.Log, "no disk of its own for the database (%v): it will not be full\n", err)
		} else {
			l.stops = append(l.stops, l.disk.Close)
		}
	}
	err = l.disk.within(func() error {
		l.pg, err = local.StartPostgres(ctx, local.PostgresOptions{MaxConnections: 160, SharedBuffers: "96MB",
			Settings: map[string]string{"max_wal_size": "96MB", "min_wal_size": "32MB"}})
		return err
	})
	if err != nil {
		return err
	}
	l.stops = append(l.stops, l.pg.Close)
	if err := l.sql(ctx, "CREATE DATABASE "+templateDB); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, l.pg.URL(templateDB))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := bookingdb.Fill(ctx, pool, l.o.Clients); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, troubleSQL)
	return err
}

// troubleSQL makes a trigger that refuses to delete the clients in public.protected,
// with a message that quotes personal data.
const troubleSQL = `
	CREATE TABLE public.protected (id bigint PRIMARY KEY);
	GRANT SELECT ON public.protected TO PUBLIC;
	CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM public.protected WHERE id = OLD.id) THEN
			RAISE EXCEPTION 'client % <%> stays', OLD.last_name, OLD.email
			  USING ERRCODE = '23514', CONSTRAINT = 'clients_keep_vip', DETAIL = OLD::text;
		END IF;
		RETURN OLD;
	END $$;
	CREATE TRIGGER refuse BEFORE DELETE ON public.clients FOR EACH ROW EXECUTE FUNCTION public.refuse();`

// protectedCode is the reason code of a client in public.protected.
const protectedCode = "23514"

// mapWithTrouble is the demo's map with that trigger listed.
func mapWithTrouble() []byte {
	return bytes.Replace(booking.Map(), []byte("\ntriggers:\n"),
		[]byte("\ntriggers:\n  - {name: refuse, table: clients, because: \"the fault driver's\"}\n"), 1)
}

func (l *lab) sql(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, l.pg.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// Close ends the servers and removes all files.
func (l *lab) Close() error {
	var errs []error
	for _, stop := range slices.Backward(l.stops) {
		errs = append(errs, stop())
	}
	l.stops = nil
	return errors.Join(errs...)
}

// eventually polls until the condition is true, and reports whether it was in time.
func eventually(ctx context.Context, patience time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
