-- What has ended is counted when it ends, so that nobody reads the history to
-- count it. Deleted jobs stay counted.
CREATE TABLE oubli.totals (
  what            text NOT NULL,             -- job, or a task's kind
  state           text NOT NULL,             -- that it ended in
  n               bigint NOT NULL DEFAULT 0,
  erased          bigint NOT NULL DEFAULT 0, -- clients, but for dry runs
  erased_retained bigint NOT NULL DEFAULT 0,
  skipped         bigint NOT NULL DEFAULT 0,
  failed          bigint NOT NULL DEFAULT 0,
  not_found       bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (what, state)
);
-- What has ended since totals were last added up. Each transaction adds rows of its
-- own, so that none waits for another.
CREATE TABLE oubli.ended (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  what            text NOT NULL,
  state           text NOT NULL,
  erased          integer NOT NULL DEFAULT 0,
  erased_retained integer NOT NULL DEFAULT 0,
  skipped         integer NOT NULL DEFAULT 0,
  failed          integer NOT NULL DEFAULT 0,
  not_found       integer NOT NULL DEFAULT 0
);

INSERT INTO oubli.totals (what, state, n)
SELECT 'job', state, count(*) FROM oubli.jobs WHERE finished_at IS NOT NULL GROUP BY state;
INSERT INTO oubli.totals
SELECT t.kind, t.state, count(*),
  coalesce(sum(erased) FILTER (WHERE NOT dry_run), 0), coalesce(sum(erased_retained) FILTER (WHERE NOT dry_run), 0),
  coalesce(sum(skipped) FILTER (WHERE NOT dry_run), 0), coalesce(sum(failed) FILTER (WHERE NOT dry_run), 0),
  coalesce(sum(not_found) FILTER (WHERE NOT dry_run), 0)
FROM oubli.tasks AS t JOIN oubli.jobs AS j ON j.id = t.job_id
WHERE t.state IN ('done', 'failed', 'cancelled') GROUP BY t.kind, t.state;

-- Triggers, so that a program of the release before is counted too. They have the
-- rights of the tables' owner, because the roles of oubli grants only read totals.
CREATE FUNCTION oubli.count_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO oubli.ended (what, state) VALUES ('job', NEW.state);
  RETURN NULL;
END
$$;
CREATE FUNCTION oubli.count_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.position = 0 OR (SELECT dry_run FROM oubli.jobs WHERE id = NEW.job_id) THEN
    INSERT INTO oubli.ended (what, state) VALUES (NEW.kind, NEW.state);
  ELSE
    INSERT INTO oubli.ended (what, state, erased, erased_retained, skipped, failed, not_found)
    VALUES (NEW.kind, NEW.state, NEW.erased, NEW.erased_retained, NEW.skipped, NEW.failed, NEW.not_found);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_job AFTER UPDATE OF state ON oubli.jobs FOR EACH ROW
WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION oubli.count_job();
CREATE TRIGGER count_task AFTER UPDATE OF state ON oubli.tasks FOR EACH ROW
WHEN (OLD.state IN ('pending', 'running') AND NEW.state IN ('done', 'failed', 'cancelled')) EXECUTE FUNCTION oubli.count_task();

-- Adds what has ended to the totals.
CREATE FUNCTION oubli.add_totals(most integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('oubli:totals', 0)) THEN
    RETURN;
  END IF;
  WITH gone AS (
    DELETE FROM oubli.ended WHERE id IN (SELECT id FROM oubli.ended ORDER BY id LIMIT most) RETURNING *)
  INSERT INTO oubli.totals AS t
  SELECT what, state, count(*), sum(erased), sum(erased_retained), sum(skipped), sum(failed), sum(not_found) FROM gone GROUP BY what, state
  ON CONFLICT (what, state) DO UPDATE SET n = t.n + excluded.n, erased = t.erased + excluded.erased,
    erased_retained = t.erased_retained + excluded.erased_retained, skipped = t.skipped + excluded.skipped,
    failed = t.failed + excluded.failed, not_found = t.not_found + excluded.not_found;
END
$$;

-- The roles of an earlier oubli grants may read these as they may read jobs.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT DISTINCT grantee::regrole AS name FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.jobs'::regclass AND grantee <> relowner AND grantee <> 0 LOOP
    EXECUTE format('GRANT SELECT ON oubli.totals, oubli.ended TO %s', role.name);
  END LOOP;
END $$;

-- Lists by state, and what follows the end of a job.
CREATE INDEX jobs_by_state ON oubli.jobs (kind, state, id);
CREATE INDEX jobs_ended ON oubli.jobs (tenant_id, finished_at) WHERE finished_at IS NOT NULL AND NOT dry_run;
CREATE INDEX selections_by_job ON oubli.selections (job_id) WHERE job_id IS NOT NULL;
-- What is open, for /metrics too, and the mail that has waited longest.
DROP INDEX oubli.tasks_open;
CREATE INDEX tasks_open ON oubli.tasks (job_id, kind, state) WHERE state IN ('pending', 'running');
CREATE INDEX tasks_mails ON oubli.tasks (id) WHERE kind = 'mail' AND state IN ('pending', 'running');
