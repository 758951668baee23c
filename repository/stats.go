package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/backlog"
	"github.com/oubli/oubli/jobs"
)

// endedSQL sums up what has ended. Triggers count it when it ends, so that the
// history is not read.
const endedSQL = `
SELECT what, state, sum(n)::bigint, sum(erased)::bigint, sum(erased_retained)::bigint,
  sum(skipped)::bigint, sum(failed)::bigint, sum(not_found)::bigint
FROM (
  SELECT what, state, n, erased, erased_retained, skipped, failed, not_found FROM oubli.totals
  UNION ALL
  SELECT what, state, 1, erased, erased_retained, skipped, failed, not_found FROM oubli.ended) AS e
GROUP BY 1, 2`

// openSQL counts what is open.
const openSQL = `
SELECT 'job', state, count(*) FROM oubli.jobs
WHERE kind IN ('erasure', 'merge') AND state IN ('scheduled', 'running', 'paused', 'blocked') GROUP BY 2
UNION ALL
SELECT kind, state, count(*) FROM oubli.tasks WHERE state IN ('pending', 'running') GROUP BY 1, 2`

// Stats counts jobs, clients, tasks and mails over all tenants, those of deleted
// jobs too. Clients are counted when their batch ends.
func (s *Store) Stats(ctx context.Context) (jobs.Stats, error) {
	st := jobs.Stats{
		Jobs: map[jobs.State]int{}, Clients: map[jobs.Outcome]int64{},
		Tasks: map[jobs.TaskKind]map[jobs.TaskState]int{}, Mails: map[jobs.MailState]int{}, Blocked: map[string]int{},
		StaleViews: map[string]time.Duration{}, Residues: map[string]int{},
	}
	count := func(what, state string, n int) {
		if what == "job" {
			st.Jobs[jobs.State(state)] += n
			return
		}
		kind, task := jobs.TaskKind(what), jobs.TaskState(state)
		if st.Tasks[kind] == nil {
			st.Tasks[kind] = map[jobs.TaskState]int{}
		}
		st.Tasks[kind][task] += n
		if kind == jobs.MailTask {
			st.Mails[mailStateOf(task)] += n
		}
	}
	err := s.db.Snapshot(ctx, "read statistics", func(tx pgx.Tx) error {
		var what, state string
		var n int
		var c [5]int64
		rows, err := tx.Query(ctx, endedSQL)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&what, &state, &n, &c[0], &c[1], &c[2], &c[3], &c[4]}, func() error {
			count(what, state, n)
			for i, o := range jobs.Outcomes() {
				st.Clients[o] += c[i]
			}
			return nil
		})
		if err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, openSQL); err != nil {
			return err
		}
		if _, err = pgx.ForEachRow(rows, []any{&what, &state, &n}, func() error { count(what, state, n); return nil }); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, agesSQL).Scan(&st.OldestOpen, &st.OldestDue, &st.OldestMail); err != nil {
			return err
		}
		var view string
		var stale time.Duration
		if rows, err = tx.Query(ctx, "SELECT view, now() - since FROM oubli.refreshes"); err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&view, &stale}, func() error { st.StaleViews[view] = stale; return nil })
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM oubli.late_rows WHERE given_up").Scan(&st.LateClients); err != nil {
			return err
		}
		var reason string
		if rows, err = tx.Query(ctx, blockedSQL, blockedReasons); err != nil {
			return err
		}
		if _, err = pgx.ForEachRow(rows, []any{&reason, &n}, func() error { st.Blocked[reason] = n; return nil }); err != nil {
			return err
		}
		return readResidues(ctx, tx, &st)
	})
	return st, err
}

// readResidues counts the levels that jobs say they have reached: jobs.NewResidue.
func readResidues(ctx context.Context, tx pgx.Tx, st *jobs.Stats) error {
	rows, err := tx.Query(ctx, `
		SELECT CASE WHEN mix = 'waiting' THEN 0 ELSE level END, coalesce(mix = 'mixed', false) AND level = 0,
		  count(*), count(*) FILTER (WHERE mix = 'waiting' AND mix_reason <> '')
		FROM oubli.residues WHERE job_id IS NOT NULL GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	var level jobs.ResidueLevel
	var mixed bool
	var n, unmixed int
	_, err = pgx.ForEachRow(rows, []any{&level, &mixed, &n, &unmixed}, func() error {
		name := level.String()
		if mixed {
			name = jobs.ResidueMixed
		}
		st.Residues[name], st.Unmixed = n, st.Unmixed+unmixed
		return nil
	})
	return err
}

// blockedReasons is how many different reasons are reported at most.
const blockedReasons = 10

const blockedSQL = `
SELECT left(blocked_reason, 200), count(*) FROM oubli.jobs WHERE state = 'blocked'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1`

// agesSQL reads the ages of the oldest of each. Ids begin with the time at which
// they were made. While a job is paused or waits for its start, its batches are not
// due.
const agesSQL = `
SELECT coalesce((SELECT now() - created_at FROM oubli.jobs WHERE finished_at IS NULL ORDER BY id LIMIT 1), interval '0'),
  coalesce((SELECT now() - t.run_at FROM oubli.tasks AS t
            WHERE t.state = 'pending' AND t.parked IS NULL AND t.kind <> 'mail' AND t.run_at <= now() AND ` + backlog.Runnable + `
            ORDER BY t.run_at LIMIT 1), interval '0'),
  coalesce((SELECT now() - j.finished_at FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
            WHERE t.kind = 'mail' AND t.state IN ('pending', 'running') ORDER BY t.id LIMIT 1), interval '0')`

func mailStateOf(t jobs.TaskState) jobs.MailState {
	switch t {
	case jobs.TaskDone:
		return jobs.MailSent
	case jobs.TaskFailed:
		return jobs.MailFailed
	}
	return jobs.MailPending
}
