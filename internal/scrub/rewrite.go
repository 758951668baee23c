package scrub

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/internal/pgsession"
	"github.com/oubli/oubli/jobs"
	"github.com/oubli/oubli/repository"
)

// Options limit what Rewrite may do.
type Options struct {
	// Window says whether tables may be locked now, and until when. A zero time
	// means that there is no end.
	Window      func(now time.Time) (until time.Time, open bool)
	MaxLock     time.Duration  // longest lock of one table; 0: until the window ends
	LockTimeout time.Duration  // longest wait for a table's lock, during which the table's users wait too; 2 s
	Pause       time.Duration  // pause after the first round of tries; longer after each further one; 1 s
	Rounds      int            // number of rounds of tries if the window has no end; 10
	Progress    func(Progress) // called from another goroutine too
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
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Progress reports one step of Rewrite.
type Progress struct {
	What        string // the table, "statistics" or "write-ahead log"
	Done, Total int64  // blocks of the table, or segments of the log; Total 0: unknown
	Ended       bool
	Note        string // the result, or why the step was postponed

	Before, After int64 // bytes of a table that was rewritten
	Took          time.Duration
}

// Obstacle is a reason why a level was not reached.
type Obstacle struct {
	What, Why string
}

// Result is the result of a run of Rewrite.
type Result struct {
	Residues  int               // number of jobs and sweeps that had not reached the last level
	Rewritten int               // number of rewritten tables
	Level     jobs.ResidueLevel // the level that the files of all these jobs and sweeps have reached now
	Unmixed   []UnmixedCount    // jobs that are shown as logical, whatever their files have reached
	Obstacles []Obstacle
}

const scrubLock = "SELECT pg_try_advisory_lock(hashtextextended('oubli:scrub', 0))"

// Rewrite raises residues to the highest level that it can. It refreshes
// statistics, rewrites tables from which something was erased since their last
// rewrite, each in its own transaction, and has the old write-ahead log
// overwritten. If it stops early, another run continues from there.
func (s *Scrubber) Rewrite(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	var mine bool
	if err := s.conn.QueryRow(ctx, scrubLock).Scan(&mine); err != nil {
		return Result{}, pgfault.Wrap("begin to scrub", err)
	}
	if !mine {
		return Result{}, &jobs.Error{Kind: jobs.Conflict, Code: "scrub_running", Msg: "another oubli scrub --rewrite is running on this database"}
	}
	var residues []int64
	// While the looks after a job still need what its clients had, its residue waits.
	err := s.conn.QueryRow(ctx, `
		SELECT coalesce(array_agg(id), '{}') FROM oubli.residues AS r
		WHERE level < 3 AND NOT EXISTS (SELECT FROM oubli.former_values AS f WHERE f.job_id = r.job_id)`).Scan(&residues)
	if err != nil {
		return Result{}, pgfault.Wrap("read levels", err)
	}
	done := Result{Residues: len(residues), Level: jobs.ResidueWAL}
	if done.Unmixed, err = unmixed(ctx, s.conn); err != nil || len(residues) == 0 {
		return done, err
	}
	for _, step := range []struct {
		to  jobs.ResidueLevel
		run func(context.Context, Options, *Result) error
	}{
		{jobs.ResidueStatistics, s.refreshStatistics}, {jobs.ResidueRewritten, s.rewriteAll}, {jobs.ResidueWAL, s.overwriteWAL},
	} {
		if err := step.run(ctx, o, &done); err != nil {
			return done, err
		}
		if len(done.Obstacles) > 0 {
			done.Level = step.to - 1
			return done, nil
		}
		err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { return repository.RaiseResidues(ctx, tx, step.to, residues) })
		if err != nil {
			return done, pgfault.Wrap("record the level", err)
		}
	}
	return done, nil
}

// refreshStatistics also deletes the statistics that ANALYZE does not replace.
func (s *Scrubber) refreshStatistics(ctx context.Context, o Options, done *Result) error {
	var stale bool
	if err := s.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.residues WHERE level = 0)").Scan(&stale); err != nil || !stale {
		return pgfault.Wrap("read levels", err)
	}
	o.Progress(Progress{What: "statistics"})
	err := repository.AnalyzeTables(s.plan.AffectedTables, func(table string) error {
		return pgfault.Wrap("refresh statistics", pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
			err := repository.Analyze(ctx, tx, table)
			if errors.Is(err, repository.ErrStatisticsLeft) {
				return deleteStatistics(ctx, tx, table)
			}
			return err
		}))
	})
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Kind == jobs.Conflict {
		done.Obstacles = append(done.Obstacles, Obstacle{"statistics", e.Msg})
		return nil
	}
	if err == nil {
		o.Progress(Progress{What: "statistics", Ended: true, Note: "refreshed"})
	}
	return err
}

// deleteStatistics deletes the statistics that ANALYZE does not replace, which only
// a superuser may do. It does not call oubli.analyze for this: a superuser should
// not run a function that another role owns.
func deleteStatistics(ctx context.Context, tx pgx.Tx, table string) error {
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
		  SELECT e.oid FROM pg_catalog.pg_statistic_ext AS e JOIN tables ON id = e.stxrelid
		  JOIN pg_catalog.pg_class AS t ON t.oid = id WHERE t.reltuples <= 0)`, table)
	return err
}

// rewriteAll rewrites the tables that are due. If other sessions have locked a
// table, it tries again until the window ends.
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
		case f.Due && f.MayRewrite:
			todo = append(todo, f)
		case f.Due:
			done.Obstacles = append(done.Obstacles, Obstacle{f.Name, "only the owner of the table or of the database may rewrite it"})
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
					why = append(why, Obstacle{f.Name, "the time window is over"})
				}
				done.Obstacles = append(done.Obstacles, why...)
				return nil
			}
			bounded = !until.IsZero()
			reason, final, err := s.rewrite(ctx, o, f, horizon, until)
			switch {
			case err != nil:
				return err
			case final:
				done.Obstacles = append(done.Obstacles, Obstacle{f.Name, reason})
			case reason != "":
				later, why = append(later, f), append(why, Obstacle{f.Name, reason})
			default:
				done.Rewritten++
			}
		}
		todo = later
		if len(todo) > 0 && !bounded && round >= o.Rounds {
			done.Obstacles = append(done.Obstacles, why...)
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

// rewrite rewrites one table. If that was not possible, reason says why; if final is
// set too, another try in the same run would fail again.
func (s *Scrubber) rewrite(ctx context.Context, o Options, f File, horizon uint32, until time.Time) (reason string, final bool, err error) {
	old, err := s.oldSnapshots(ctx, horizon)
	if err != nil {
		return "", false, err
	}
	if len(old) > 0 {
		reason = "a " + old[0].Kind + " can still see erased rows: " + old[0].Name
		o.Progress(Progress{What: f.Name, Ended: true, Note: "postponed: " + reason})
		return reason, false, nil
	}
	limit := o.MaxLock
	if left := time.Until(until); !until.IsZero() && (limit == 0 || left < limit) {
		limit = max(left, time.Millisecond)
	}
	var began time.Time
	var before uint32
	err = s.conn.QueryRow(ctx, `SELECT clock_timestamp(), pg_relation_filenode($1::text::regclass),
		set_config('lock_timeout', $2::bigint::text, false),
		set_config('statement_timeout', $3::bigint::text, false)`,
		f.Name, o.LockTimeout.Milliseconds(), limit.Milliseconds()).Scan(&began, &before, nil, nil)
	if err != nil {
		return "", false, pgfault.Wrap("prepare to rewrite", err)
	}
	stop := s.reportProgress(ctx, f.Name, o.Progress)
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
		reason, final = "it takes longer than the table may be locked: raise --max-lock, or widen the window", true
	case err != nil && pgfault.Is(err, "53100"):
		reason, final = "the disk is full: a table is copied while it is rewritten", true
	case err != nil && pgfault.Is(err, "42501"):
		reason, final = "a right is missing", true
	}
	var locked bool
	if e, ok := errors.AsType[*jobs.Error](pgfault.Wrap("rewrite", err)); ok && e.Code == jobs.CodeContention {
		locked, reason = true, "another session has locked it"
	}
	if reason != "" {
		note := reason
		if locked {
			note = "postponed: " + reason
		}
		o.Progress(Progress{What: f.Name, Ended: true, Note: note})
		return reason, final, nil
	}
	if err != nil {
		return "", false, pgfault.Wrap("rewrite "+f.Name, err)
	}
	return s.verifyRewrite(ctx, o, f, began, before)
}

// verifyRewrite records that a table was rewritten, if it has a new file: VACUUM
// skips tables that it may not rewrite, with nothing but a warning.
func (s *Scrubber) verifyRewrite(ctx context.Context, o Options, f File, began time.Time, before uint32) (string, bool, error) {
	var file uint32
	var bytes int64
	err := s.conn.QueryRow(ctx, "SELECT pg_relation_filenode($1::text::regclass), pg_total_relation_size($1::text::regclass)", f.Name).
		Scan(&file, &bytes)
	if err != nil {
		return "", false, pgfault.Wrap("read the table's size", err)
	}
	if file == before {
		return "PostgreSQL did not rewrite it", true, nil
	}
	_, err = s.conn.Exec(ctx, `INSERT INTO oubli.rewrites (relation, began_at) VALUES ($1, $2)
		ON CONFLICT (relation) DO UPDATE SET began_at = excluded.began_at`, f.Name, began)
	if err != nil {
		return "", false, pgfault.Wrap("record the rewrite", err)
	}
	var now time.Time
	if err := s.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return "", false, pgfault.Wrap("record the rewrite", err)
	}
	o.Progress(Progress{What: f.Name, Ended: true, Before: f.Bytes, After: bytes, Took: now.Sub(began)})
	return "", false, nil
}

// reportProgress reports the progress of a rewrite until stop is called. It uses a
// connection of its own, and its errors do not affect the rewrite.
func (s *Scrubber) reportProgress(ctx context.Context, table string, progress func(Progress)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	pid := s.conn.PgConn().PID()
	progress(Progress{What: table})
	go func() {
		defer close(ended)
		if sleep(ctx, time.Second) != nil { // most tables are rewritten within a second
			return
		}
		conn, err := pgsession.Connect(ctx, s.url, "oubli scrub")
		if err != nil {
			return
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for {
			var scanned, total int64
			err := conn.QueryRow(ctx, "SELECT heap_blks_scanned, heap_blks_total FROM pg_stat_progress_cluster WHERE pid = $1", pid).
				Scan(&scanned, &total)
			if err == nil {
				progress(Progress{What: table, Done: scanned, Total: total})
			}
			if sleep(ctx, time.Second) != nil {
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}
