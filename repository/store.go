package repository

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/oubli/oubli/internal/backlog"
	"github.com/oubli/oubli/internal/erasuremap"
	"github.com/oubli/oubli/internal/mixing"
	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/internal/plan"
	"github.com/oubli/oubli/jobs"
)

// Options is what a Store needs. The zero value of each field but URL and Map
// stands for the default that its comment names.
type Options struct {
	URL string          // PostgreSQL connection string
	Map *erasuremap.Map // what erasing means here
	// LoadMap, when set, reads the map's file again while the map does not cover
	// the schema, so that blocked jobs continue after the file is edited; nil:
	// never. After an error, which must hold no client's data, the map stays.
	LoadMap      func() (*erasuremap.Map, error)
	MaxConns     int32         // of the pool; 4 + one for each slot that erases. Half as many again judge chunks once more
	BatchClients int           // clients in one task; 1000
	Grace        time.Duration // between accepting a job and its start; 0
	Lease        time.Duration // how long a worker keeps its batch without a commit; 10 s
	MailLease    time.Duration // longer than an SMTP dialogue and a recovery of the database; 2 min
	LockTimeout  time.Duration // longest wait for one lock; 500 ms, so that the server, whose default is 1 s, finds no deadlock before
	Lanes        int           // batches of one tenant that may run side by side, the same in all processes; 2
	Pause        time.Duration // between rounds of refreshing statistics, and between the first looks for late rows; 1 min
	MailWait     time.Duration // longest wait of a mail for the first look for late rows; 15 min; negative: none
	Window       int           // hints of one queue that wait in Redis at most; 64
	MixClients   int           // least number of former clients whose rows one transaction writes again; jobs.MixClients
	// Workers wait while a replica is further behind than MaxReplicaLag, in bytes
	// of the write-ahead log, or more than MaxActive other sessions are active in
	// the database; 0: no limit.
	MaxReplicaLag int64
	MaxActive     int
	// Today, when set, says what time it is instead of the database's clock, which
	// decides when a retention period ends. It is for demos and tests: the clock of
	// a process may be wrong, and rows are cleared by it.
	Today  func() time.Time
	Tracer pgx.QueryTracer // sees each statement; nil: none
	// Failpoint, when set, is called at places where a crash is most dangerous,
	// with the place's name. Tests kill the process there.
	Failpoint func(name string)
}

func (o Options) withDefaults() (Options, error) {
	if o.Map == nil {
		return o, &jobs.Error{Kind: jobs.Invalid, Msg: "repository options: Map is missing"}
	}
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&o.BatchClients, 1000)
	set(&o.Lanes, 2)
	set(&o.Window, 64)
	set(&o.MixClients, jobs.MixClients)
	if o.Lease == 0 {
		o.Lease = 10 * time.Second
	}
	if o.MailLease == 0 {
		o.MailLease = 2 * time.Minute
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 500 * time.Millisecond
	}
	if o.Pause == 0 {
		o.Pause = time.Minute
	}
	if o.MailWait == 0 {
		o.MailWait = 15 * time.Minute
	}
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	if o.BatchClients < 1 || o.Lanes < 1 || o.Window < 1 || o.Lease < time.Second {
		return o, &jobs.Error{Kind: jobs.Invalid, Msg: fmt.Sprintf(
			"repository options: want BatchClients, Lanes, Window > 0 and Lease ≥ 1s, got %d, %d, %d, %s",
			o.BatchClients, o.Lanes, o.Window, o.Lease)}
	}
	return o, nil
}

// Store is the control tables and the application's tables behind one pool.
type Store struct {
	*backlog.Backlog // what is to be dispatched and claimed next
	*mixing.Mixer    // writes rows again that small transactions left

	db      pgsession.DB
	pool    *pgxpool.Pool // of db
	judging *pgxpool.Pool // second connections of chunks; see judgeAgain
	opts    Options
	plan    atomic.Pointer[plan.Plan]

	// openSchemas are the schemas that the connections leave out of the search path.
	openSchemas atomic.Pointer[string]

	edited    atomic.Pointer[erasuremap.Map] // what LoadMap read; nil: opts.Map
	compiling *semaphore.Weighted            // one goroutine at a time compiles the plan; waiting for it honours ctx
	lastLoad  loadCheck

	// provesAll is the fingerprint of the schema whose triggers write rows, so that
	// a brief proof does not suffice.
	provesAll atomic.Pointer[string]

	id     string // of this process, for leases
	ledger Ledger // nil: none is configured

	statistics   atomic.Pointer[error] // how the last round of refreshing them ended
	unusedLooked atomic.Int64          // Unix time of the last look for unused profiles
	looks        atomic.Pointer[error] // how the last second look failed

	tidied tidied

	fence string // fenceSQL; a test removes it to show that other tests detect that
}

// Open connects and checks that the control schema has the version that this
// program needs.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, pgfault.Wrap("read database URL", err)
	}
	cfg.MaxConns = opts.MaxConns
	cfg.ConnConfig.Tracer = opts.Tracer
	pgsession.Prepare(cfg.ConnConfig, "oubli")
	cfg.MaxConnIdleTime = time.Minute
	s := &Store{id: uuid.NewString(), opts: opts, fence: fenceSQL, compiling: semaphore.NewWeighted(1)}
	cfg.AfterConnect = s.setUp
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, pgfault.Wrap("open database", err)
	}
	judging, err := pgxpool.NewWithConfig(ctx, s.judgingConfig(cfg.Copy()))
	if err != nil {
		pool.Close()
		return nil, pgfault.Wrap("open database", err)
	}
	db := pgsession.DB{Pool: pool, Idle: opts.Lease}
	s.db, s.pool, s.judging = db, pool, judging
	s.Backlog = backlog.New(backlog.Options{
		DB: db, Window: opts.Window, Lanes: opts.Lanes, SharedOwner: s.sharedOwner, Failpoint: opts.Failpoint,
	})
	s.Mixer = mixing.New(mixing.Options{
		DB: db, Plan: s.covered, Clients: opts.MixClients, Pause: opts.Pause, LockTimeout: opts.LockTimeout, Failpoint: opts.Failpoint,
	})
	for _, check := range []func(context.Context) error{s.checkVersion, s.checkStatsPermission} {
		if err := check(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// setUp makes a new connection ready. Its search path has the schemas that the
// application's triggers need, unless strangers may create functions in them.
func (s *Store) setUp(ctx context.Context, conn *pgx.Conn) error {
	if err := pgsession.Set(ctx, conn); err != nil {
		return err
	}
	client := s.erasureMap().Client.Table
	path, err := pgsession.UsePath(ctx, conn, client.Schema, client.Relation)
	if err == nil {
		open := fmt.Sprint(path.Open)
		s.openSchemas.CompareAndSwap(nil, &open)
	}
	return err
}

// usePath closes the connections that were set up when other schemas were open to
// strangers, those in use when they are returned.
func (s *Store) usePath(left []plan.OpenSchema) {
	open := fmt.Sprint(left)
	if before := s.openSchemas.Swap(&open); before != nil && *before != open {
		s.pool.Reset()
		s.judging.Reset()
	}
}

// Close closes the pools. It waits for connections in use.
func (s *Store) Close() {
	s.pool.Close()
	s.judging.Close()
}

// PoolStat says how the connections are used.
func (s *Store) PoolStat() *pgxpool.Stat { return s.pool.Stat() }

// Ping reports whether the database answers and takes writes.
func (s *Store) Ping(ctx context.Context) error {
	var standby, readOnly bool
	const sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on'"
	if err := s.pool.QueryRow(ctx, sql).Scan(&standby, &readOnly); err != nil {
		return pgfault.Acquire("the database does not answer", err)
	}
	switch {
	case standby:
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable,
			Msg: "the database takes no writes: the server is a standby; OUBLI_DATABASE_URL has to name the primary"}
	case readOnly:
		return &jobs.Error{Kind: jobs.Unavailable, Code: jobs.CodeUnavailable,
			Msg: "the database takes no writes: default_transaction_read_only is on for this role, database or server"}
	}
	return nil
}

func (s *Store) checkVersion(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return pgfault.Wrap("connect to database", err)
	}
	defer conn.Release()
	return CheckVersion(ctx, conn.Conn())
}

// CheckVersion checks that the control schema has the version that this program
// needs.
func CheckVersion(ctx context.Context, conn *pgx.Conn) error {
	has, wants, err := schemaVersions(ctx, conn)
	if err != nil {
		return err
	}
	switch {
	case has < wants:
		return &jobs.Error{Kind: jobs.Conflict, Code: "migrate_first",
			Msg: fmt.Sprintf("schema oubli is at version %d and this program needs %d: run oubli migrate", has, wants)}
	case has > wants:
		return programTooOld(has, wants)
	}
	return nil
}

// querier is a connection, a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// tx runs f in a READ COMMITTED transaction. op names the operation in its errors.
func (s *Store) tx(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return s.db.Tx(ctx, op, f)
}

// idTx is tx for statements that search the control tables by ids.
func (s *Store) idTx(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return s.db.TxBy(ctx, op, s.db.Begin()+pgsession.OncePlanned, f)
}
