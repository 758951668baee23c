package scrub

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/schema"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Options is how far Rewrite may go.
type Options struct {
	// Window says until when tables may be locked; false: not now. A zero time
	// is no end.
	Window      func(now time.Time) (until time.Time, open bool)
	MaxLock     time.Duration // how long one table may be locked at most; 0: until the window closes
	LockTimeout time.Duration // how long a table's users may have to queue behind us for the lock; 2 s
	Pause       time.Duration // after the first round of tries, growing with each; 1 s
	Rounds      int           // of tries when the window has no end; 10
	Step        func(Step)
}

func (o Options) withDefaults() Options {
	if o.LockTimeout == 0 {
		o.LockTimeout = 2 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Rounds == 0 {
		o.Rounds = 10
	}
	if o.Step == nil {
		o.Step = func(Step) {}
	}
	return o
}

// Step is how Rewrite comes on.
type Step struct {
	What        string // the table, or what else is done
	Done, Total int64  // blocks of the table, or segments of the log; Total 0: not known
	Ended       bool
	Note        string // how it ended, or why it was put off

	Before, After int64 // bytes of a table that was rewritten
	Took          time.Duration
}

// Obstacle is what keeps a level from being reached.
type Obstacle struct {
	What, Why string
}

// Result is how a run of Rewrite ended.
type Result struct {
	Notes     int // jobs and sweeps that waited for a level
	Rewritten int // tables
	Level     jobs.ResidueLevel
	Left      []Obstacle
}

const scrubLock = "SELECT pg_try_advisory_lock(hashtextextended('oubli:scrub', 0))"

// Rewrite brings what is left to the highest level that it can: it refreshes
// statistics, rewrites the tables from which something was erased since they
// were last rewritten, each in a transaction of its own, and moves the
// write-ahead log on. What it has done stays done: another run goes on.
func (s *Scrubber) Rewrite(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	var mine bool
	if err := s.conn.QueryRow(ctx, scrubLock).Scan(&mine); err != nil {
		return Result{}, pgfault.Wrap("begin to scrub", err)
	}
	if !mine {
		return Result{}, &jobs.Error{Kind: jobs.Conflict, Code: "scrub_running", Msg: "another oubli scrub --rewrite is at work on this database"}
	}
	var notes []int64
	err := s.conn.QueryRow(ctx, "SELECT coalesce(array_agg(id), '{}') FROM oubli.residues WHERE level < 3").Scan(&notes)
	if err != nil {
		return Result{}, pgfault.Wrap("read levels", err)
	}
	done := Result{Notes: len(notes), Level: jobs.ResidueWAL}
	if len(notes) == 0 {
		return done, nil
	}
	for _, step := range []struct {
		to  jobs.ResidueLevel
		run func(context.Context, Options, *Result) error
	}{
		{jobs.ResidueStatistics, s.freshen}, {jobs.ResidueRewritten, s.rewriteAll}, {jobs.ResidueWAL, s.moveWAL},
	} {
		if err := step.run(ctx, o, &done); err != nil {
			return done, err
		}
		if len(done.Left) > 0 {
			done.Level = step.to - 1
			return done, nil
		}
		err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { return repository.RaiseResidues(ctx, tx, step.to, notes) })
		if err != nil {
			return done, pgfault.Wrap("note the level", err)
		}
	}
	return done, nil
}

// freshen refreshes statistics, those that ANALYZE leaves included.
func (s *Scrubber) freshen(ctx context.Context, o Options, done *Result) error {
	var stale bool
	if err := s.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.residues WHERE level = 0)").Scan(&stale); err != nil || !stale {
		return pgfault.Wrap("read levels", err)
	}
	o.Step(Step{What: "statistics"})
	err := repository.AnalyzeTables(s.plan.AffectedTables, func(table string) error {
		return pgfault.Wrap("refresh statistics", pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
			err := repository.Analyze(ctx, tx, table)
			if errors.Is(err, repository.ErrStatisticsLeft) {
				return forget(ctx, tx, table)
			}
			return err
		}))
	})
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Kind == jobs.Conflict {
		done.Left = append(done.Left, Obstacle{"statistics", e.Msg})
		return nil
	}
	if err == nil {
		o.Step(Step{What: "statistics", Ended: true, Note: "refreshed"})
	}
	return err
}

// forget deletes the statistics that ANALYZE leaves, as only a superuser may.
// The function of the same purpose is not asked: its owner may be somebody
// whom a superuser should not run the code of.
func forget(ctx context.Context, tx pgx.Tx, table string) error {
	var super bool
	if err := tx.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&super); err != nil {
		return err
	}
	if !super {
		return repository.ErrStatisticsLeft
	}
	const tables = "WITH tables AS (SELECT $1::text::regclass::oid AS id UNION SELECT relid FROM pg_partition_tree($1::text::regclass))"
	_, err := tx.Exec(ctx, tables+`,
		parts AS (SELECT id, id AS of FROM tables UNION ALL SELECT indexrelid, indrelid FROM pg_index JOIN tables ON id = indrelid)
		DELETE FROM pg_catalog.pg_statistic AS s USING parts, pg_catalog.pg_class AS t, pg_catalog.pg_attribute AS a
		WHERE s.starelid = parts.id AND t.oid = parts.of AND a.attrelid = s.starelid AND a.attnum = s.staattnum
		  AND (t.reltuples <= 0 OR a.attstattarget = 0)`, table)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, tables+`
		DELETE FROM pg_catalog.pg_statistic_ext_data WHERE stxoid IN (
		  SELECT e.oid FROM pg_catalog.pg_statistic_ext AS e JOIN tables ON id = e.stxrelid JOIN pg_catalog.pg_class AS t ON t.oid = id WHERE t.reltuples <= 0)`, table)
	return err
}

// rewriteAll rewrites what is due, and comes back to what somebody else holds
// until the window closes.
func (s *Scrubber) rewriteAll(ctx context.Context, o Options, done *Result) error {
	files, err := s.files(ctx)
	if err != nil {
		return err
	}
	horizon, err := s.horizon(ctx)
	if err != nil {
		return err
	}
	var todo []File
	for _, f := range files {
		switch {
		case f.Due && f.May:
			todo = append(todo, f)
		case f.Due:
			done.Left = append(done.Left, Obstacle{f.Name, "only the owner of the table or of the database may rewrite it"})
		}
	}
	for round := 1; len(todo) > 0; round++ {
		var later []File
		var why []Obstacle
		bounded := false
		for i, f := range todo {
			until, open := o.Window(time.Now())
			if !open {
				for _, f := range todo[i:] {
					why = append(why, Obstacle{f.Name, "the window is closed"})
				}
				done.Left = append(done.Left, why...)
				return nil
			}
			bounded = !until.IsZero()
			reason, final, err := s.rewrite(ctx, o, f, horizon, until)
			switch {
			case err != nil:
				return err
			case final:
				done.Left = append(done.Left, Obstacle{f.Name, reason})
			case reason != "":
				later, why = append(later, f), append(why, Obstacle{f.Name, reason})
			default:
				done.Rewritten++
			}
		}
		todo = later
		if len(todo) > 0 && !bounded && round >= o.Rounds {
			done.Left = append(done.Left, why...)
			return nil
		}
		if len(todo) > 0 {
			if err := sleep(ctx, o.Pause*time.Duration(min(round, 30))); err != nil {
				return err
			}
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rewrite rewrites one table. A reason says why it did not; when that is final,
// another try in the same run is in vain.
func (s *Scrubber) rewrite(ctx context.Context, o Options, f File, horizon uint32, until time.Time) (reason string, final bool, err error) {
	holders, err := s.holders(ctx, horizon)
	if err != nil {
		return "", false, err
	}
	if len(holders) > 0 {
		reason = "a " + holders[0].Kind + " still sees rows that were erased: " + holders[0].Name
		o.Step(Step{What: f.Name, Ended: true, Note: "put off: " + reason})
		return reason, false, nil
	}
	limit := o.MaxLock
	if left := time.Until(until); !until.IsZero() && (limit == 0 || left < limit) {
		limit = max(left, time.Millisecond)
	}
	var began time.Time
	var before uint32
	err = s.conn.QueryRow(ctx, "SELECT clock_timestamp(), pg_relation_filenode($1::text::regclass), set_config('lock_timeout', $2::bigint::text, false), set_config('statement_timeout', $3::bigint::text, false)",
		f.Name, o.LockTimeout.Milliseconds(), limit.Milliseconds()).Scan(&began, &before, nil, nil)
	if err != nil {
		return "", false, pgfault.Wrap("prepare to rewrite", err)
	}
	stop := s.follow(ctx, f.Name, o.Step)
	_, err = s.conn.Exec(ctx, "VACUUM (FULL) "+f.Name)
	stop()
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	if _, e := s.conn.Exec(ctx, "SET statement_timeout = 0"); e != nil {
		return "", false, pgfault.Wrap("after a rewrite", errors.Join(err, e))
	}
	switch {
	case err != nil && pgfault.Is(err, "57014"):
		reason, final = "it takes longer than the lock may be held: raise --max-lock, or widen the window", true
	case err != nil && pgfault.Is(err, "53100"):
		reason, final = "the disk is full: a table is copied while it is rewritten", true
	case err != nil && pgfault.Is(err, "42501"):
		reason, final = "a right is missing", true
	}
	var contended bool
	if e, ok := errors.AsType[*jobs.Error](pgfault.Wrap("rewrite", err)); ok && e.Code == jobs.CodeContention {
		contended, reason = true, "somebody holds a lock on it"
	}
	if reason != "" {
		note := reason
		if contended {
			note = "put off: " + reason
		}
		o.Step(Step{What: f.Name, Ended: true, Note: note})
		return reason, final, nil
	}
	if err != nil {
		return "", false, pgfault.Wrap("rewrite "+f.Name, err)
	}
	return s.proven(ctx, o, f, began, before)
}

// proven notes that a table was rewritten when it really is another file:
// VACUUM passes over what it may not touch with a mere warning.
func (s *Scrubber) proven(ctx context.Context, o Options, f File, began time.Time, before uint32) (string, bool, error) {
	var file uint32
	var bytes int64
	err := s.conn.QueryRow(ctx, "SELECT pg_relation_filenode($1::text::regclass), pg_total_relation_size($1::text::regclass)", f.Name).Scan(&file, &bytes)
	if err != nil {
		return "", false, pgfault.Wrap("look at the table", err)
	}
	if file == before {
		return "PostgreSQL did not rewrite it", true, nil
	}
	_, err = s.conn.Exec(ctx, "INSERT INTO oubli.rewrites (relation, began_at) VALUES ($1, $2) ON CONFLICT (relation) DO UPDATE SET began_at = excluded.began_at", f.Name, began)
	if err != nil {
		return "", false, pgfault.Wrap("note the rewrite", err)
	}
	var now time.Time
	if err := s.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return "", false, pgfault.Wrap("note the rewrite", err)
	}
	o.Step(Step{What: f.Name, Ended: true, Before: f.Bytes, After: bytes, Took: now.Sub(began)})
	return "", false, nil
}

// follow reports the progress of a rewrite, from a connection of its own, until
// it is stopped. Trouble there is no trouble of the rewrite.
func (s *Scrubber) follow(ctx context.Context, table string, step func(Step)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	pid := s.conn.PgConn().PID()
	step(Step{What: table})
	go func() {
		defer close(ended)
		if sleep(ctx, time.Second) != nil { // most tables are done by then
			return
		}
		conn, err := schema.Connect(ctx, s.url)
		if err != nil {
			return
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for {
			var scanned, total int64
			err := conn.QueryRow(ctx, "SELECT heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster WHERE pid = $1", pid).Scan(&scanned, &total)
			if err == nil {
				step(Step{What: table, Done: scanned, Total: total})
			}
			if sleep(ctx, time.Second) != nil {
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}
