package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/oubli/oubli/internal/app"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/repository"
)

// demoSeed makes every demo use the same people.
const demoSeed = 1

// Options say how the demo runs and where it prints.
type Options struct {
	Once    bool   // end when the story has ended, instead of waiting for ctx
	Clients int    // how many clients the studios have together
	Listen  string // address of the HTTP API; "" takes the usual or a free port

	Out, Err io.Writer // the story, and the progress
	Draws    bool      // Err can redraw a line
}

// Run plays the demo until ctx ends, or, if it runs once, until the story ends.
// Nothing is left behind.
func Run(ctx context.Context, o Options) (err error) {
	d := &demo{Options: o}
	defer func() {
		stopped := d.stop()
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			err = stopped
			if !d.told && stopped == nil {
				err = errors.New("stopped before the story ended")
			}
		default:
			err = errors.Join(err, stopped)
		}
	}()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.tell(ctx); err != nil {
		return err
	}
	d.told = true
	if o.Once {
		return nil
	}
	return d.stayUp(ctx)
}

// demo is a private stack with the service on top.
type demo struct {
	Options
	told bool

	dir     string // for the map and the log; removed at the end
	secret  []byte // that signs tokens
	url     string // of the database
	redis   *local.Redis
	inbox   *local.Inbox
	db      *pgxpool.Pool
	mapFile string
	service *app.Service
	seeded  booking.Summary
	stops   []stop
}

// stop undoes one step of the start.
type stop struct {
	name string
	stop func() error
}

func (d *demo) onStop(name string, f func() error) {
	d.stops = append(d.stops, stop{name, f})
}

func (d *demo) stop() error {
	if len(d.stops) > 0 && !d.Once {
		d.say("\nStopping, and removing what was made …")
	}
	var errs []error
	for _, p := range slices.Backward(d.stops) {
		if err := p.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	d.stops = nil
	return errors.Join(errs...)
}

// start brings up everything: servers, data, service.
func (d *demo) start(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "oubli-demo-"); err != nil {
		return err
	}
	d.onStop("temporary directory", func() error { return os.RemoveAll(d.dir) })
	d.secret = []byte(rand.Text() + rand.Text())
	d.chapter("A private stack")
	if err := d.startServers(ctx); err != nil {
		return err
	}
	d.chapter("Four studios")
	if err := d.seed(ctx); err != nil {
		return err
	}
	return d.startService(ctx)
}

func (d *demo) startServers(ctx context.Context) error {
	pg, err := local.StartPostgres(ctx, local.PostgresOptions{Durable: true})
	if _, missing := errors.AsType[*local.MissingError](err); missing {
		d.say("PostgreSQL is not installed; installing it …")
		if err := local.Install(ctx, d.Err, local.PostgreSQL); err != nil {
			return err
		}
		pg, err = local.StartPostgres(ctx, local.PostgresOptions{Durable: true})
	}
	if err != nil {
		return err
	}
	d.onStop("PostgreSQL", pg.Close)
	d.item("PostgreSQL", pg.String())

	d.redis, err = local.StartRedis(ctx, local.RedisOptions{AppendOnly: true})
	if _, missing := errors.AsType[*local.MissingError](err); missing {
		d.say("redis-server is not installed; installing it …")
		if local.Install(ctx, d.Err, local.RedisServer) == nil {
			d.redis, err = local.StartRedis(ctx, local.RedisOptions{AppendOnly: true})
		} else {
			d.say("That did not work; the demo uses a Redis inside this process.")
			d.redis, err = local.StartMiniredis(context.WithoutCancel(ctx))
		}
	}
	if err != nil {
		return err
	}
	d.onStop("Redis", d.redis.Close)
	d.item("Redis", d.redis.String())

	if d.inbox, err = local.StartInbox(ctx); err != nil {
		return err
	}
	d.onStop("inbox", d.inbox.Close)
	d.item("mail inbox", "SMTP on "+d.inbox.Addr())

	admin, err := pgxpool.New(ctx, pg.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.Exec(ctx, "CREATE DATABASE booking"); err != nil {
		return err
	}
	d.url = pg.URL("booking")
	if d.db, err = pgxpool.New(ctx, d.url); err != nil {
		return err
	}
	d.onStop("database connections", func() error { d.db.Close(); return nil })
	return nil
}

func (d *demo) seed(ctx context.Context) (err error) {
	if err := booking.Install(ctx, d.db); err != nil {
		return err
	}
	bar := terminal.NewBar(d.Err)
	show := func(done, total int64) {
		switch {
		case !d.Draws:
		case done < total:
			bar.Draw(done, total, "seeding")
		default:
			bar.Draw(done, total, "seeding: indexes and statistics …")
		}
	}
	d.seeded, err = booking.Seed(ctx, d.db, booking.Options{Seed: demoSeed, Clients: d.Clients, Progress: show})
	bar.Clear()
	if err != nil {
		return err
	}
	d.say("%s in %s, with the appointments, classes, invoices, notes, messages",
		terminal.Count(int(d.seeded.Clients), "client"), terminal.Count(len(d.seeded.Studios), "studio"))
	d.say("and audit entries of a real studio product: %s.", terminal.Count(int(d.seeded.Rows), "row"))
	return nil
}

// startService writes the map and starts API and workers as `oubli serve
// --worker` would.
func (d *demo) startService(ctx context.Context) error {
	if _, _, err := repository.Migrate(ctx, d.url); err != nil {
		return err
	}
	database, err := d.leastPrivileged(ctx)
	if err != nil {
		return err
	}
	d.mapFile = filepath.Join(d.dir, "oubli.yaml")
	if err := os.WriteFile(d.mapFile, booking.Map(), 0o600); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(d.dir, "oubli.log"))
	if err != nil {
		return err
	}
	d.onStop("log", logFile.Close)
	environ := []string{
		"OUBLI_DATABASE_URL=" + database, "OUBLI_REDIS_URL=" + d.redis.URL(0), "OUBLI_MAP=" + d.mapFile,
		"OUBLI_AUTH_SECRET=" + string(d.secret), "OUBLI_SMTP_URL=" + d.inbox.URL(), "OUBLI_MAIL_FROM=oubli <oubli@demo.example>",
		"OUBLI_LISTEN=" + d.address(d.Listen, "127.0.0.1:8080"), "OUBLI_OPS_LISTEN=" + d.address("", "127.0.0.1:9090"),
	}
	log := zerolog.New(logFile).With().Timestamp().Logger()
	env, parts := app.Environment{Variables: environ, ReadFile: os.ReadFile}, app.Parts{API: true, Worker: true}
	if d.service, err = app.Start(ctx, env, parts, log, app.Tuning{}); err != nil {
		return err
	}
	d.onStop("service", func() error { return d.service.Stop(context.WithoutCancel(ctx)) })
	return nil
}

// address is the requested address, or else the usual port if it is free. A demo
// that ends by itself takes any free port.
func (d *demo) address(asked, usual string) string {
	if asked != "" {
		return asked
	}
	if !d.Once {
		if l, err := net.Listen("tcp", usual); err == nil {
			_ = l.Close()
			return usual
		}
	}
	return "127.0.0.1:0"
}

// stayUp says where to look, and waits.
func (d *demo) stayUp(ctx context.Context) error {
	token, err := d.token(d.seeded.Studios[0])
	if err != nil {
		return err
	}
	var somebody int64
	err = d.db.QueryRow(ctx, `SELECT min(id) FROM clients WHERE studio_id = $1 AND NOT is_anonymous`, d.seeded.Studios[0].ID).Scan(&somebody)
	if err != nil {
		return err
	}
	d.chapter("Look around")
	d.item("API", "http://"+d.service.APIAddr+"/v1/erasures   (OpenAPI: /openapi.json)")
	d.item("dashboard", "http://"+d.service.OpsAddr+"/monitoring/")
	d.item("metrics", "http://"+d.service.OpsAddr+"/metrics   health: /readyz")
	d.item("database", "psql '"+d.url+"'")
	d.item("map and log", d.dir)
	d.say("\nErase somebody yourself, in another terminal (the token is valid for an hour):\n")
	d.say("  export OUBLI_URL=http://%s", d.service.APIAddr)
	d.say("  export OUBLI_TOKEN=%s", token)
	d.say("  bin/oubli status")
	d.say("  bin/oubli erase --client %d --dry-run\n", somebody)
	d.say("Ctrl-C stops everything and leaves nothing behind.")
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.service.Failed():
		return err
	}
}
