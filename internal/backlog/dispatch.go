package backlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// Runnable selects tasks that may be dispatched and claimed: mails, and batches
// and merges of jobs that are scheduled or running. It is one search by the job's
// id for each task. In place of EXISTS the planner may read all open jobs at once.
const Runnable = `(t.kind = 'mail' OR (SELECT j.state IN ('scheduled', 'running') FROM oubli.jobs AS j WHERE j.id = t.job_id))`

// Ready selects the tasks in the index tasks_ready: those that wait for a hint and
// are not parked.
const Ready = `t.state = 'pending' AND t.dispatched_at IS NULL AND t.parked IS NULL`

// Bounds of one call of Dispatch.
const (
	busyTries   = 5                    // how often it asks again while another process dispatches
	busyPause   = 5 * time.Millisecond // in between; a round takes less
	emptyRounds = 20                   // rounds that only parked tasks or found tenants whose lanes are taken
)

// AnyReadySQL says whether there is anything to dispatch.
const AnyReadySQL = `SELECT EXISTS (SELECT FROM oubli.tasks AS t WHERE ` + Ready + `)
  OR EXISTS (SELECT FROM oubli.tasks AS t WHERE t.state = 'pending' AND t.parked = 'time' AND t.run_at <= now())`

// Dispatch marks tasks that are due and returns them; the caller enqueues a hint
// for each and takes back the marks of those it could not enqueue.
//
// At most Window hints of a queue wait in Redis, so that little is lost if Redis
// loses its data. A tenant has at most as many dispatched batches as lanes, and no
// second one while another tenant waits for its first.
//
// One call reads a bounded number of rows, however many tasks wait, of however
// many tenants. It may leave tasks to the next call.
func (b *Backlog) Dispatch(ctx context.Context) ([]jobs.Dispatch, error) {
	var any bool
	if err := b.o.DB.QueryRow(ctx, AnyReadySQL).Scan(&any); err != nil || !any {
		return nil, pgfault.Wrap("dispatch", err)
	}
	for busy, empty := 0, 0; ; {
		due, next, err := b.round(ctx)
		switch {
		case err != nil:
			return nil, pgfault.Wrap("dispatch", err)
		case len(due) > 0:
			b.o.Failpoint("dispatch:marked")
			return due, nil
		case next == roundBusy:
			// The other process may have begun before the caller's tasks were there.
			if busy++; busy == busyTries {
				return nil, nil
			}
			select {
			case <-time.After(busyPause):
			case <-ctx.Done():
				return nil, nil
			}
		case next == roundAgain:
			if empty++; empty == emptyRounds {
				return nil, nil
			}
		default:
			return nil, nil
		}
	}
}

func scanDispatch(row pgx.CollectableRow) (d jobs.Dispatch, err error) {
	err = row.Scan(&d.TaskID, &d.Kind, &d.Queue, &d.No, &d.Age, &d.Trace)
	return d, err
}

// Undispatch removes the dispatch marks of tasks whose hints are not in Redis, so
// that they are dispatched again. It keeps the mark if the task was dispatched
// again since, or is being claimed at this moment.
func (b *Backlog) Undispatch(ctx context.Context, lost []jobs.Dispatch) error {
	ids, nos := make([]string, len(lost)), make([]int, len(lost))
	for i, d := range lost {
		ids[i], nos[i] = d.TaskID, d.No
	}
	_, err := b.o.DB.Exec(ctx, `
		WITH mine AS (
		  SELECT t.id FROM oubli.tasks AS t JOIN unnest($1::uuid[], $2::int[]) AS lost(id, no) ON t.id = lost.id AND t.dispatch_no = lost.no
		  WHERE t.state = 'pending' FOR UPDATE OF t SKIP LOCKED)
		UPDATE oubli.tasks AS t SET dispatched_at = NULL FROM mine WHERE t.id = mine.id`, ids, nos)
	return pgfault.Wrap("take back dispatch", err)
}

// Overdue lists tasks that were dispatched longer than age ago and are not
// claimed: their hints may wait in a long queue or be lost.
func (b *Backlog) Overdue(ctx context.Context, age time.Duration) ([]jobs.Dispatch, error) {
	rows, err := b.o.DB.Query(ctx, `
		SELECT id::text, kind, queue, dispatch_no, now() - dispatched_at, '' FROM oubli.tasks
		WHERE state = 'pending' AND dispatched_at < now() - $1::interval
		ORDER BY dispatched_at LIMIT 500`, age)
	if err != nil {
		return nil, pgfault.Wrap("find overdue hints", err)
	}
	due, err := pgx.CollectRows(rows, scanDispatch)
	return due, pgfault.Wrap("find overdue hints", err)
}
