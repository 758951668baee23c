package repository

import (
	"github.com/oubli/oubli/internal/backlog"
	"github.com/oubli/oubli/jobs"
)

// Each transition of a task's state is one statement below, named after it. No
// other statement writes oubli.tasks.state; new tasks are pending by default.
// Those that work for a claim compare its attempt number: a claim that has been
// overtaken changes nothing.
var taskTransitionSQL = map[jobs.TaskTransition]string{
	jobs.ClaimTask:   claimTaskSQL,
	jobs.ReleaseTask: releaseTaskSQL,
	jobs.YieldTask:   yieldTaskSQL,
	jobs.RecoverTask: recoverTaskSQL,
	jobs.FinishTask:  finishTaskSQL,
	jobs.FinishMail:  finishMailSQL,
	jobs.GiveUpMail:  giveUpMailSQL,
	jobs.CancelTask:  cancelTaskSQL,
}

// claimTaskSQL takes task $1 if it is pending and due, or if its lease ran out.
// A batch takes the lowest free lane among those that use the same profiles: of
// its tenant or, where $4 is the profile owner of all tenants, of all. Without a
// free lane it is not claimed, nor if the database has another number of lanes than
// $3, unless $6. SKIP LOCKED: a row that is locked is being worked on, even if its
// lease ran out, and a worker does not wait for it. The lease is $2, and $5 of a
// mail.
const claimTaskSQL = `
UPDATE oubli.tasks AS t
SET state = 'running', attempt = attempt + 1, parked = NULL,
  lease_until = clock_timestamp() + CASE WHEN t.kind = 'mail' THEN $5::interval ELSE $2::interval END,
  lane = CASE WHEN t.kind = 'batch' THEN free.lane END,
  profile_owner = mine.owner, crashes = crashes + (t.state = 'running')::int
FROM (SELECT id, coalesce($4, tenant_id) AS owner FROM oubli.tasks WHERE id = $1 FOR UPDATE SKIP LOCKED) AS mine,
  (SELECT (SELECT lanes FROM oubli.lanes) AS lanes) AS stored,
  LATERAL (SELECT min(l) AS lane FROM generate_series(1, coalesce(stored.lanes, $3)) AS l
      WHERE NOT EXISTS (SELECT FROM oubli.tasks AS r
        WHERE r.profile_owner = mine.owner AND r.lane = l AND r.state = 'running' AND r.id <> mine.id)) AS free
WHERE t.id = mine.id AND ($6 OR stored.lanes = $3)
  AND ((t.state = 'pending' AND t.run_at <= now()) OR (t.state = 'running' AND t.lease_until < now()))
  AND (free.lane IS NOT NULL OR t.kind <> 'batch') AND ` + backlog.Runnable + `
RETURNING t.job_id::text, t.tenant_id, t.kind, t.number, t.attempt, t.failures, t.crashes,
  coalesce(t.lane, 0), coalesce(stored.lanes, $3), t.keys, t.position, t.erased, t.erased_retained, t.skipped, t.failed, t.not_found,
  t.codes, t.rows, t.retained_until, t.letter, t.deferrals, now() - t.deferred_since, coalesce(t.ledger_intent, 0)`

// releaseTaskSQL gives a task back, to be tried again after delay $3.
const releaseTaskSQL = `
UPDATE oubli.tasks SET state = 'pending', lease_until = NULL, lane = NULL, dispatched_at = NULL,
  run_at = now() + $3::interval, failures = failures + $4::int, last_error = $5
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// yieldTaskSQL gives a task back if a dispatched task of another tenant or
// another queue waits for a worker, or if a small job of the same tenant waits
// for its lane, or of any where $3 is the profile owner of all tenants. A task of
// a small job does not yield to bulk. run_at stays, so that the task keeps its
// place before the tenant's other ones.
const yieldTaskSQL = `
UPDATE oubli.tasks AS t SET state = 'pending', lease_until = NULL, lane = NULL, dispatched_at = NULL
WHERE t.id = $1 AND t.attempt = $2 AND t.state = 'running' AND (
  EXISTS (SELECT FROM oubli.tasks AS w
    WHERE w.state = 'pending' AND w.dispatched_at IS NOT NULL AND (w.tenant_id, w.queue) IS DISTINCT FROM (t.tenant_id, t.queue)
      AND (t.queue = 'bulk' OR w.queue <> 'bulk'))
  OR t.queue = 'bulk' AND EXISTS (SELECT FROM ` + smallAndDue + ` AND coalesce($3, w.tenant_id) = coalesce($3, t.tenant_id)))`

// smallAndDue are due tasks of small jobs that are not dispatched yet. They may
// need a lane more than a worker.
const smallAndDue = `oubli.tasks AS w JOIN oubli.jobs AS o ON o.id = w.job_id
  WHERE w.state = 'pending' AND w.dispatched_at IS NULL AND w.parked IS NULL AND w.run_at <= now() AND w.queue = 'interactive'
    AND o.state IN ('scheduled', 'running')`

// recoverTaskSQL gives back every task whose lease ran out. SKIP LOCKED: a task
// whose row is locked is still being worked on.
const recoverTaskSQL = `
WITH lost AS (
  SELECT id FROM oubli.tasks WHERE state = 'running' AND lease_until < now() FOR UPDATE SKIP LOCKED)
UPDATE oubli.tasks AS t
SET state = 'pending', lease_until = NULL, lane = NULL, dispatched_at = NULL, run_at = now(),
  crashes = crashes + 1, last_error = 'lease ran out'
FROM lost WHERE t.id = lost.id`

// finishTaskSQL ends a batch or merge all of whose clients have their outcome.
const finishTaskSQL = `
UPDATE oubli.tasks SET state = 'done', lease_until = NULL, lane = NULL
WHERE id = $1 AND attempt = $2 AND state = 'running' AND position = cardinality(keys)`

// finishMailSQL records that a mail was sent.
const finishMailSQL = `
UPDATE oubli.tasks SET state = 'done', lease_until = NULL, last_error = ''
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// giveUpMailSQL records that a mail was refused for good.
const giveUpMailSQL = `
UPDATE oubli.tasks SET state = 'failed', lease_until = NULL, failures = failures + 1, last_error = $3
WHERE id = $1 AND attempt = $2 AND state = 'running'`

// cancelTaskSQL ends the batches or the merge of job $1. Its mails come later.
const cancelTaskSQL = `
UPDATE oubli.tasks SET state = 'cancelled', lease_until = NULL, lane = NULL
WHERE job_id = $1 AND kind <> 'mail' AND state IN ('pending', 'running')`
