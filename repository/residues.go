package repository

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// leavesResidue notes that materialized views, the planner's statistics and the
// files on disk may hold values that the transaction, or the job that it ends,
// has erased. A job of nil is a sweep.
func leavesResidue(ctx context.Context, tx pgx.Tx, job *string) error {
	if err := viewsAreStale(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO oubli.residues (job_id) VALUES ($1)", job)
	return err
}

// analyzeWait is how long ANALYZE may wait for its lock. It stands in nobody's
// way meanwhile: only maintenance and changes of the schema want the same.
const analyzeWait = "10s"

// RefreshStatistics replaces the statistics of the tables that jobs and sweeps
// have erased from: histograms and lists of common values hold real values. It
// is apart from the end of a job, which trouble here must not keep open. Jobs
// that end close together share a round: it waits, though no longer than a pause,
// until no other batch is under way. One that fails is repeated after longer and
// longer pauses, up to sixty times the first.
func (s *Store) RefreshStatistics(ctx context.Context) error {
	var due bool
	if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM oubli.residues WHERE level = 0)").Scan(&due); err != nil || !due {
		return fault("look for statistics to refresh", err)
	}
	p, err := s.covered(ctx)
	if err != nil {
		return err
	}
	// By their ids: a note that commits after its table was analyzed stays for
	// the next round. What is tested here again decides between two workers.
	rows, err := s.pool.Query(ctx, `
		UPDATE oubli.residues SET tried = now(), tries = tries + 1
		WHERE level = 0 AND (tried IS NULL OR tried <= now() - $1::interval * least(tries, 60))
		  AND NOT EXISTS (SELECT FROM oubli.residues WHERE tried > now() - $1::interval)
		  AND (EXISTS (SELECT FROM oubli.residues WHERE level = 0 AND since <= now() - $1::interval)
		    OR NOT EXISTS (SELECT FROM oubli.tasks WHERE kind <> 'mail' AND (state = 'running' OR state = 'pending' AND dispatched_at IS NOT NULL)))
		RETURNING id`, s.opts.Pause)
	if err != nil {
		return fault("look for statistics to refresh", err)
	}
	notes, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fault("look for statistics to refresh", err)
	}
	if len(notes) == 0 { // between rounds; trouble goes on until one ends well
		if last := s.statistics.Load(); last != nil {
			return *last
		}
		return nil
	}
	err = AnalyzeTables(p.AffectedTables, func(table string) error {
		return s.tx(ctx, "refresh statistics", func(tx pgx.Tx) error { return Analyze(ctx, tx, table) })
	})
	if err == nil {
		err = s.tx(ctx, "note refreshed statistics", func(tx pgx.Tx) error { return RaiseResidues(ctx, tx, jobs.ResidueStatistics, notes) })
	}
	s.statistics.Store(&err)
	return err
}

// AnalyzeTables refreshes the statistics of all tables, and then names those where
// it could not.
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
		errs = append(errs, &jobs.Error{Kind: jobs.Conflict, Code: errStatisticsDenied.Code, Msg: errStatisticsDenied.Msg + " " + strings.Join(denied, ", ") +
			": let the owner of these tables, or of the database, own the function, and run the script of oubli grants"})
	}
	if len(left) > 0 {
		errs = append(errs, &jobs.Error{Kind: jobs.Conflict, Code: ErrStatisticsLeft.Code, Msg: ErrStatisticsLeft.Msg + " " + strings.Join(left, ", ") +
			", where no row is left or statistics are off: run oubli scrub --rewrite as a superuser"})
	}
	return errors.Join(errs...)
}

var (
	errStatisticsDenied = &jobs.Error{Kind: jobs.Conflict, Code: "statistics_denied", Msg: "the function oubli.analyze may not refresh the statistics, which hold erased values, of"}
	// ErrStatisticsLeft is of a table whose statistics ANALYZE does not replace.
	ErrStatisticsLeft = &jobs.Error{Kind: jobs.Conflict, Code: "statistics_left", Msg: "ANALYZE does not replace the statistics, which hold erased values, of"}
)

// Analyze refreshes the statistics of one table, with its partitions.
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

// RaiseResidues lifts notes to a level. Of sweeps the newest note says it all.
func RaiseResidues(ctx context.Context, tx pgx.Tx, to jobs.ResidueLevel, notes []int64) error {
	if _, err := tx.Exec(ctx, "UPDATE oubli.residues SET level = $1, reached = clock_timestamp() WHERE id = ANY($2) AND level < $1", to, notes); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM oubli.residues AS r WHERE job_id IS NULL AND (level = 3 OR EXISTS (
		SELECT FROM oubli.residues AS newer WHERE newer.job_id IS NULL AND newer.level = r.level AND newer.id > r.id)) AND level > 0`)
	return err
}
