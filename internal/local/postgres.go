package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions says what kind of server to start. The zero value suits tests.
type PostgresOptions struct {
	// Durable keeps PostgreSQL's guarantee that a commit survives a crash of the
	// machine. Without it nothing is forced to disk, which makes tests several
	// times faster. After Kill, a crash of the server only, every commit is
	// still there.
	Durable bool
	// MaxConnections is the server's max_connections. Default 200.
	MaxConnections int
	// SharedBuffers is the server's shared_buffers, as "256MB", the default.
	SharedBuffers string
	// Settings are further server settings by name. They override all others.
	Settings map[string]string
}

func (o PostgresOptions) settings() map[string]string {
	s := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"max_connections":         "200",
		"shared_buffers":          "256MB",
		"max_wal_size":            "2GB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		// Containers often have a /dev/shm too small for parallel queries.
		"dynamic_shared_memory_type": "mmap",
	}
	if o.MaxConnections > 0 {
		s["max_connections"] = strconv.Itoa(o.MaxConnections)
	}
	if o.SharedBuffers != "" {
		s["shared_buffers"] = o.SharedBuffers
	}
	if !o.Durable {
		// Not synchronous_commit: with fsync off it saves next to nothing, and
		// switched off it would lose the last commits at a Kill.
		maps.Copy(s, map[string]string{
			"fsync":              "off",
			"full_page_writes":   "off",
			"wal_level":          "minimal",
			"max_wal_senders":    "0",
			"checkpoint_timeout": "30min",
			"jit":                "off",
		})
	}
	maps.Copy(s, o.Settings)
	return s
}

// Postgres is a private PostgreSQL server. Its methods, except URL and String,
// are not safe for concurrent use.
type Postgres struct {
	dir      *serverDir
	in       installation
	args     []string
	port     int
	password string
}

// StartPostgres makes a database cluster and runs a server on it. It returns a
// *MissingError when the machine has no server binaries of PostgreSQL 14 or
// newer.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	in, err := findPostgres(ctx)
	if err != nil {
		return nil, err
	}
	d, err := openServerDir("postgres", "QUIT")
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p := &Postgres{dir: d, in: in, password: rand.Text()}
	if err := p.init(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), p.Close())
	}
	return p, nil
}

func (p *Postgres) init(ctx context.Context, o PostgresOptions) error {
	if err := p.dir.write("password", p.password); err != nil {
		return err
	}
	if err := p.initdb(ctx); err != nil {
		return err
	}
	settings := o.settings()
	p.args = []string{"-D", p.dir.path("data")}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		p.args = append(p.args, "-c", name+"="+settings[name])
	}
	return onFreePort(ctx, func(port int) error {
		p.port = port
		return p.Start(ctx)
	})
}

func (p *Postgres) initdb(ctx context.Context) error {
	// C.UTF-8 sorts alike everywhere and knows upper and lower case; where the
	// system lacks it, plain C sorts alike too.
	locales := []string{"C.UTF-8", "C"}
	if runtime.GOOS == "darwin" {
		locales = []string{"en_US.UTF-8", "C"}
	}
	var err error
	for _, locale := range locales {
		err = p.dir.run(ctx, p.in.program("initdb"),
			"--pgdata="+p.dir.path("data"), "--username=postgres", "--pwfile="+p.dir.path("password"),
			"--auth=scram-sha-256", "--encoding=UTF8", "--locale="+locale, "--no-sync", "--no-instructions")
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("initdb: %w: %s", err, p.dir.logTail())
}

// Start runs the server again, on the same port with the same data, after Stop
// or Kill. StartPostgres has already started it once.
func (p *Postgres) Start(ctx context.Context) error {
	proc, err := p.dir.spawn(p.in.program("postgres"), append(p.args, "-p", strconv.Itoa(p.port))...)
	if err != nil {
		return err
	}
	err = await(ctx, proc, func(ctx context.Context) error {
		// The password shows that this is our server and no other on that port.
		conn, err := pgx.Connect(ctx, p.URL("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	if err != nil {
		p.dir.stop(syscall.SIGQUIT)
		return fmt.Errorf("%w: %s", err, p.dir.logTail())
	}
	return nil
}

// await calls ready until it returns nil, or the process or the context ends.
func await(ctx context.Context, proc *process, ready func(context.Context) error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-proc.done:
			return fmt.Errorf("ended at once: %w", proc.err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// URL returns the URL of a database on the server, for its superuser.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", p.password),
		Host:     address(p.port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// DataDir returns the directory of the server's files. Callers may read but must
// not change them.
func (p *Postgres) DataDir() string { return p.dir.path("data") }

// LogFile returns the path of the server's own log.
func (p *Postgres) LogFile() string { return p.dir.path("log") }

// String names the server, as "PostgreSQL 15".
func (p *Postgres) String() string {
	return p.in.String()
}

// Stop shuts the server down cleanly. It closes connections and keeps the data
// for the next Start.
func (p *Postgres) Stop() {
	p.dir.stop(syscall.SIGINT)
}

// Kill crashes the server. The next Start recovers from the write-ahead log.
func (p *Postgres) Kill() {
	p.dir.stop(syscall.SIGQUIT)
}

// Close ends the server and removes its data. It may be called more than once.
func (p *Postgres) Close() error {
	return p.dir.close(syscall.SIGQUIT)
}
