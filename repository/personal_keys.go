package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/oubli/oubli/internal/pgfault"
	"github.com/oubli/oubli/jobs"
)

// personalKeysKept is for how long the keys of clients stay with a job that has
// ended, where keys are personal data: so long can the job be repeated. Second
// looks need the keys too, and end before they are emptied.
const personalKeysKept = "7 days"

// jobsToEmptySQL lists jobs whose clients' keys are not needed any more.
const jobsToEmptySQL = `
SELECT j.id::text FROM oubli.jobs AS j
WHERE j.finished_at < now() - interval '` + personalKeysKept + `' AND j.keys_emptied_at IS NULL
  AND NOT EXISTS (SELECT FROM oubli.second_looks AS l WHERE l.job_id = j.id)
ORDER BY j.id LIMIT 100`

// emptyTasksSQL leaves the number of keys, which outcomes are counted against.
const emptyTasksSQL = `
UPDATE oubli.tasks SET keys = array_fill(''::text, ARRAY[cardinality(keys)])
WHERE job_id = $1 AND cardinality(keys) > 0`

// emptyExceptionsSQL puts a number, drawn at random, in place of each key. A key
// that came with a request cannot begin with a control character.
const emptyExceptionsSQL = `
UPDATE oubli.exceptions AS e SET client_id = chr(1) || n.place
FROM (SELECT client_id, row_number() OVER (ORDER BY random()) AS place FROM oubli.exceptions WHERE job_id = $1) AS n
WHERE e.job_id = $1 AND e.client_id = n.client_id`

// emptyPersonalKeys takes the keys of clients out of jobs that need them no more,
// if the map says that keys are personal data. All counts stay.
func (s *Store) emptyPersonalKeys(ctx context.Context) error {
	if !s.erasureMap().Client.KeyIsPersonal {
		return nil
	}
	rows, err := s.pool.Query(ctx, jobsToEmptySQL)
	if err != nil {
		return pgfault.Wrap("find keys to empty", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pgfault.Wrap("find keys to empty", err)
	}
	for _, id := range ids {
		err := s.tx(ctx, "empty keys", func(tx pgx.Tx) error {
			if _, err := lockJob(ctx, tx, id); err != nil { // against a retry that reads the keys
				return err
			}
			for _, sql := range []string{
				emptyTasksSQL, emptyExceptionsSQL, "UPDATE oubli.jobs SET keys_emptied_at = now() WHERE id = $1",
			} {
				if _, err := tx.Exec(ctx, sql, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// emptiedKey begins what emptyExceptionsSQL writes.
const emptiedKey = "\x01"

// keysEmptied says that a job cannot be repeated any more.
func keysEmptied() error {
	return &jobs.Error{Kind: jobs.Conflict, Code: "keys_emptied",
		Msg: "the keys of this job's clients are personal and were removed: ask for an erasure of the clients by name"}
}
