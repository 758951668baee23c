package repository

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// recordResidue records that values erased by this transaction, or by the job that
// it ends, may still be in materialized views, in the planner's statistics and in
// files on disk. A job of nil stands for a sweep.
//
// Of a job it also records that its rows wait to be mixed with others'. If a
// worker of an earlier version erased a part of the job, it does not: the rows that
// this worker wrote are not known.
func recordResidue(ctx context.Context, tx pgx.Tx, job *string) error {
	if err := markViewsStale(ctx, tx); err != nil {
		return err
	}
	sql, args := "INSERT INTO oubli.residues DEFAULT VALUES", []any{}
	if job != nil {
		sql, args = `
			INSERT INTO oubli.residues (job_id, tenant_id, small_clients, cover_clients, mix)
			SELECT job_id, min(tenant_id), sum(small), max(large_xid_clients),
			  CASE WHEN sum(erased + erased_retained) = sum(small + large_clients) THEN 'waiting' END
			FROM oubli.tasks, LATERAL (SELECT coalesce(sum(n), 0) AS small FROM unnest(small_clients) AS n) AS s
			WHERE job_id = $1 AND kind <> 'mail' GROUP BY job_id`, []any{*job}
	}
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

// recordLateRows is recordResidue for the transaction of a second look. Nobody
// knows of how many clients its rows were, and those clients are counted with
// their job already.
func recordLateRows(ctx context.Context, tx pgx.Tx, tenant string) error {
	if err := markViewsStale(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO oubli.residues (tenant_id, mix, small_xids, small_times)
		VALUES ($1, 'waiting', ARRAY[pg_current_xact_id()], ARRAY[tstzrange(now(), clock_timestamp(), '[]')])`, tenant)
	return err
}

// analyzeWait is how long ANALYZE may wait for its lock. While it waits it blocks
// only maintenance and schema changes.
const analyzeWait = "10s"

// RefreshStatistics replaces the planner's statistics of the tables from which
// jobs and sweeps have erased: histograms and lists of common values hold real
// values. It runs after the end of a job, so that an error here does not keep the
// job open. Jobs that end close together share one round: the round waits until
// no batch is running, but no longer than a pause. A round that fails is repeated
// after longer and longer pauses, up to sixty times the first.
func (s *Store) RefreshStatistics(ctx context.Context) error {
	var due bool
	if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.residues WHERE level = 0)").Scan(&due); err != nil || !due {
		return pgfault.Wrap("look for statistics to refresh", err)
	}
	p, err := s.covered(ctx)
	if err != nil {
		return err
	}
	// The round takes residues by their ids, so that one that commits after its
	// table was analyzed waits for the next round. The conditions are tested again
	// in the UPDATE, so that only one of two workers gets the round.
	rows, err := s.pool.Query(ctx, `
		UPDATE oubli.residues SET tried = now(), tries = tries + 1
		WHERE level = 0 AND (tried IS NULL OR tried <= now() - $1::interval * least(tries, 60))
		  AND NOT EXISTS (SELECT FROM oubli.residues WHERE tried > now() - $1::interval)
		  AND (EXISTS (SELECT FROM oubli.residues WHERE level = 0 AND since <= now() - $1::interval)
		    OR NOT EXISTS (
		      SELECT FROM oubli.tasks
		      WHERE kind <> 'mail' AND (state = 'running' OR state = 'pending' AND dispatched_at IS NOT NULL)))
		RETURNING id`, s.opts.Pause)
	if err != nil {
		return pgfault.Wrap("look for statistics to refresh", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return pgfault.Wrap("look for statistics to refresh", err)
	}
	if len(ids) == 0 { // between two rounds; repeat the last error until a round succeeds
		if last := s.statistics.Load(); last != nil {
			return *last
		}
		return nil
	}
	err = AnalyzeTables(p.AffectedTables, func(table string) error {
		return s.tx(ctx, "refresh statistics", func(tx pgx.Tx) error { return Analyze(ctx, tx, table) })
	})
	if err == nil {
		err = s.tx(ctx, "record refreshed statistics", func(tx pgx.Tx) error { return RaiseResidues(ctx, tx, jobs.ResidueStatistics, ids) })
	}
	s.statistics.Store(&err)
	return err
}

// AnalyzeTables calls analyze for each table. Its error names the tables whose
// statistics could not be refreshed.
func AnalyzeTables(tables []string, analyze func(table string) error) error {
	var denied, left []string
	var errs []error
	for _, table := range tables {
		err := analyze(table)
		switch {
		case errors.Is(err, errStatisticsDenied):
			denied = append(denied, table)
		case errors.Is(err, ErrStatisticsLeft):
			left = append(left, table)
		default:
			errs = append(errs, err)
		}
	}
	if len(denied) > 0 {
		errs = append(errs, &jobs.Error{Kind: jobs.Conflict, Code: errStatisticsDenied.Code,
			Msg: errStatisticsDenied.Msg + " " + strings.Join(denied, ", ") +
				": let the owner of these tables, or of the database, own the function, and run the script of oubli grants"})
	}
	if len(left) > 0 {
		errs = append(errs, &jobs.Error{Kind: jobs.Conflict, Code: ErrStatisticsLeft.Code,
			Msg: ErrStatisticsLeft.Msg + " " + strings.Join(left, ", ") +
				", where no row is left or statistics are off: run oubli scrub --rewrite as a superuser"})
	}
	return errors.Join(errs...)
}

var (
	errStatisticsDenied = &jobs.Error{Kind: jobs.Conflict, Code: "statistics_denied",
		Msg: "the function oubli.analyze may not refresh the statistics, which hold erased values, of"}
	// ErrStatisticsLeft: ANALYZE does not replace the statistics of the table.
	ErrStatisticsLeft = &jobs.Error{Kind: jobs.Conflict, Code: "statistics_left",
		Msg: "ANALYZE does not replace the statistics, which hold erased values, of"}
)

// Analyze refreshes the statistics of one table and its partitions. Its error can
// be ErrStatisticsLeft.
func Analyze(ctx context.Context, tx pgx.Tx, table string) error {
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", analyzeWait); err != nil {
		return err
	}
	var clean bool
	err := tx.QueryRow(ctx, "SELECT oubli.analyze($1::text::regclass)", table).Scan(&clean)
	switch {
	case pgfault.Is(err, "42501"):
		return errStatisticsDenied
	case err == nil && !clean:
		return ErrStatisticsLeft
	}
	return err
}

// RaiseResidues records that residues have reached a level. Of sweeps only the
// newest residue of each level is kept.
func RaiseResidues(ctx context.Context, tx pgx.Tx, to jobs.ResidueLevel, ids []int64) error {
	_, err := tx.Exec(ctx, "UPDATE oubli.residues SET level = $1, reached = clock_timestamp() WHERE id = ANY($2) AND level < $1", to, ids)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM oubli.residues AS r WHERE job_id IS NULL AND (level = 3 OR EXISTS (
		SELECT FROM oubli.residues AS newer WHERE newer.job_id IS NULL AND newer.level = r.level AND newer.id > r.id)) AND level > 0`)
	return err
}
