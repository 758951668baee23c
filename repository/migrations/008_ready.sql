-- Why a pending task is not among those that the dispatcher looks at: its time has
-- not come, or its job is paused or blocked. The dispatcher writes it when it meets
-- such a task, so that it meets it once and not in every round.
ALTER TABLE oubli.tasks ADD parked text CHECK (parked IN ('time', 'job'));

-- What may be dispatched, tenant by tenant: a round takes a few tenants and, of
-- each, the tasks that have waited longest.
CREATE INDEX tasks_ready ON oubli.tasks (queue, tenant_id, run_at, id) WHERE state = 'pending' AND dispatched_at IS NULL AND parked IS NULL;
CREATE INDEX tasks_parked ON oubli.tasks (run_at) WHERE state = 'pending' AND parked = 'time';
CREATE INDEX tasks_held ON oubli.tasks (job_id) WHERE state = 'pending' AND parked = 'job';
CREATE INDEX tasks_merges ON oubli.tasks (tenant_id) WHERE state = 'pending' AND kind = 'merge' AND parked IS NULL;
-- Whether a job has ended is asked at the end of each of its batches.
CREATE INDEX tasks_open ON oubli.tasks (job_id) WHERE kind <> 'mail' AND state IN ('pending', 'running');
-- The batch that has waited longest for a worker.
CREATE INDEX tasks_waiting ON oubli.tasks (run_at) WHERE state = 'pending' AND parked IS NULL AND kind <> 'mail';
DROP INDEX oubli.tasks_pending;
CREATE INDEX jobs_blocked ON oubli.jobs (blocked_until) WHERE state = 'blocked';

-- When a job goes on, so do its tasks. A trigger, so that a program of the release
-- before can resume a job whose tasks a newer one has parked.
CREATE FUNCTION oubli.unpark() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE oubli.tasks SET parked = NULL WHERE job_id = NEW.id AND state = 'pending' AND parked = 'job';
  RETURN NULL;
END
$$;
CREATE TRIGGER unpark AFTER UPDATE OF state ON oubli.jobs FOR EACH ROW
WHEN (OLD.state IN ('paused', 'blocked') AND NEW.state IN ('scheduled', 'running')) EXECUTE FUNCTION oubli.unpark();
