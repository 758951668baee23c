package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oubli/oubli/internal/bench/figures"
	"github.com/oubli/oubli/internal/booking"
	"github.com/oubli/oubli/internal/local"
	"github.com/oubli/oubli/repository"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("selecting", flag.ContinueOnError)
	flags.SetOutput(stderr)
	clients := flags.Int("clients", 1_000_000, "how many clients the studio has")
	file := flags.String("json", "", "file to write the figures to")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *clients < minClients || *clients > 5_000_000 {
		fmt.Fprintf(stderr, "selecting: want -clients %d..5000000 and no arguments, got %d and %q\n", minClients, *clients, flags.Args())
		return 2
	}
	if err := bench(ctx, *clients, *file, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "selecting:", err)
		return 1
	}
	return 0
}

func bench(ctx context.Context, clients int, file string, stdout, stderr io.Writer) (err error) {
	pg, err := figures.StartPostgres(ctx, stderr, local.PostgresOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	url, err := createDatabase(ctx, pg)
	if err != nil {
		return err
	}
	seeding := time.Now()
	if err := prepare(ctx, url, clients, stderr); err != nil {
		return err
	}
	// Memory that seeding used must not count as the store's.
	debug.FreeOSMemory()
	b := bencher{url: url, clients: clients, plan: fullPlan, log: stderr}
	report, err := b.measure(ctx)
	if err != nil {
		return err
	}
	report.Machine = figures.ThisMachine(pg)
	report.SeedSeconds = report.started.Sub(seeding).Seconds()
	if err := report.print(stdout); err != nil || file == "" {
		return err
	}
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func createDatabase(ctx context.Context, pg *local.Postgres) (url string, err error) {
	admin, err := pgxpool.New(ctx, pg.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer admin.Close()
	_, err = admin.Exec(ctx, "CREATE DATABASE booking")
	return pg.URL("booking"), err
}

// prepare fills the database with one studio and adds the control schema.
func prepare(ctx context.Context, url string, clients int, stderr io.Writer) error {
	db, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := booking.Install(ctx, db); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "seeding one studio with %d clients …\n", clients)
	if _, err := booking.Seed(ctx, db, booking.Options{Seed: seed, Studios: 1, Clients: clients}); err != nil {
		return err
	}
	_, _, err = repository.Migrate(ctx, url)
	return err
}
