CREATE TABLE oubli.jobs (
  id             uuid PRIMARY KEY,
  kind           text NOT NULL CHECK (kind IN ('erasure', 'merge')),
  tenant_id      text NOT NULL,
  state          text NOT NULL CHECK (state IN ('scheduled', 'running', 'paused', 'blocked',
                   'completed', 'completed_with_exceptions', 'failed', 'cancelled')),
  blocked_reason text NOT NULL DEFAULT '',
  blocked_until  timestamptz,                  -- no earlier than then does a blocked job go on
  waits_for      text NOT NULL DEFAULT '',     -- what holds its workers up, until then:
  waits_until    timestamptz,
  reason         text CHECK (reason IN ('inactivity', 'subject_request')), -- of an erasure
  merge          jsonb,                        -- of a merge: jobs.MergeTerms; the target until the job ends
  cutoff         timestamptz,                  -- activity since then is a reason to skip
  activities     text[] NOT NULL DEFAULT '{}', -- kinds of activity that count; none: all
  override       text[] NOT NULL DEFAULT '{}', -- guards that shall not hold
  comment        text NOT NULL DEFAULT '',
  created_by     text NOT NULL,
  notify         text[] NOT NULL DEFAULT '{}',
  locale         text NOT NULL DEFAULT '',     -- of the mail
  country        text NOT NULL DEFAULT '',     -- of the tenant; decides how long the law keeps
  tenant_locale  text NOT NULL DEFAULT '',     -- decides the labels
  requested      integer NOT NULL CHECK (requested >= 0),
  dry_run        boolean NOT NULL DEFAULT false, -- every chunk is taken back
  traceparent    text NOT NULL DEFAULT '',     -- W3C trace context of the request: ids only
  retry_of       uuid UNIQUE REFERENCES oubli.jobs ON DELETE SET NULL,
  cursor_secret  uuid NOT NULL DEFAULT gen_random_uuid(), -- hides clients' keys in the cursors of its lists
  created_at     timestamptz NOT NULL DEFAULT now(),
  not_before     timestamptz,
  started_at     timestamptz,
  finished_at    timestamptz,
  CHECK ((kind = 'erasure') = (reason IS NOT NULL) AND (kind = 'merge') = (merge IS NOT NULL)),
  CHECK (finished_at IS NULL OR NOT coalesce(merge ? 'target', false)),
  CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'completed_with_exceptions', 'failed', 'cancelled')))
);
CREATE INDEX jobs_by_tenant ON oubli.jobs (tenant_id, id);
CREATE INDEX jobs_open ON oubli.jobs (id) WHERE finished_at IS NULL;

CREATE TABLE oubli.tasks (
  id              uuid PRIMARY KEY,
  job_id          uuid NOT NULL REFERENCES oubli.jobs ON DELETE CASCADE,
  tenant_id       text NOT NULL,
  kind            text NOT NULL CHECK (kind IN ('batch', 'merge', 'mail')),
  queue           text NOT NULL,
  number          integer NOT NULL,              -- from 1, within job and kind
  state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'running', 'done', 'failed', 'cancelled')),
  attempt         integer NOT NULL DEFAULT 0,    -- the fence: counts claims
  failures        integer NOT NULL DEFAULT 0,    -- attempts that ended in trouble of the task's own
  crashes         integer NOT NULL DEFAULT 0,    -- leases that ran out since the last progress
  last_error      text NOT NULL DEFAULT '',      -- kind and code, never a value
  lane            integer,                       -- which of the tenant's profiles a running batch may use
  lease_until     timestamptz,
  run_at          timestamptz NOT NULL DEFAULT now(),
  dispatched_at   timestamptz,
  dispatch_no     integer NOT NULL DEFAULT 0,
  keys            text[] NOT NULL DEFAULT '{}',
  position        integer NOT NULL DEFAULT 0,    -- keys that have their outcome
  erased          integer NOT NULL DEFAULT 0,
  erased_retained integer NOT NULL DEFAULT 0,
  skipped         integer NOT NULL DEFAULT 0,
  failed          integer NOT NULL DEFAULT 0,
  not_found       integer NOT NULL DEFAULT 0,
  codes           jsonb NOT NULL DEFAULT '{}',   -- clients not erased, by code
  rows            jsonb NOT NULL DEFAULT '{}',   -- rows changed, by table
  conflicts       jsonb NOT NULL DEFAULT '{}',   -- of a merge: rows that kept sources from it, by table
  retained_until  date,
  letter          jsonb,                         -- of a mail task: jobs.Letter
  CHECK (position BETWEEN 0 AND cardinality(keys)),
  CHECK (erased + erased_retained + skipped + failed + not_found = position),
  CHECK ((state = 'running') = (lease_until IS NOT NULL)),
  UNIQUE (job_id, kind, number)
);
CREATE INDEX tasks_pending ON oubli.tasks (run_at) WHERE state = 'pending';
CREATE INDEX tasks_dispatched ON oubli.tasks (dispatched_at) WHERE state = 'pending' AND dispatched_at IS NOT NULL;
CREATE INDEX tasks_running ON oubli.tasks (tenant_id) WHERE state = 'running';
-- Two batches of one tenant that run side by side never share a lane.
CREATE UNIQUE INDEX tasks_lane ON oubli.tasks (tenant_id, lane) WHERE state = 'running' AND lane IS NOT NULL;

-- Clients that are not plainly erased.
CREATE TABLE oubli.exceptions (
  job_id         uuid NOT NULL REFERENCES oubli.jobs ON DELETE CASCADE,
  client_id      text COLLATE "C" NOT NULL,
  outcome        text NOT NULL CHECK (outcome IN ('erased_retained', 'skipped', 'failed', 'not_found')),
  code           text NOT NULL,
  retained_until date,
  PRIMARY KEY (job_id, client_id)
);

-- Frozen lists of candidates for an erasure: the preview. They hold keys and
-- codes; names are read live.
CREATE TABLE oubli.selections (
  id           uuid PRIMARY KEY,
  tenant_id    text NOT NULL,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL,
  cutoff       timestamptz NOT NULL,
  activities   text[] NOT NULL,              -- kinds of activity that were asked about; none: all
  candidates   integer NOT NULL DEFAULT 0,
  blocked      jsonb NOT NULL DEFAULT '{}',  -- candidates that a guard holds, by guard
  excluded     text[] NOT NULL DEFAULT '{}', -- keys that were unticked
  job_id       uuid REFERENCES oubli.jobs ON DELETE CASCADE
);
CREATE INDEX selections_by_expiry ON oubli.selections (expires_at);

-- A thousand candidates each, in the order of their keys, so that a page is
-- read in the same time wherever it is.
CREATE TABLE oubli.selection_parts (
  selection_id uuid NOT NULL REFERENCES oubli.selections ON DELETE CASCADE,
  number       integer NOT NULL,
  keys         text[] NOT NULL,
  codes        text[] NOT NULL,              -- the guard that holds each, or ''
  PRIMARY KEY (selection_id, number),
  CHECK (cardinality(keys) = cardinality(codes))
);

-- The client rows that take over what is kept. Slot 1 is the tenant's shared
-- profile; further slots exist where a unique constraint keeps rows apart.
CREATE TABLE oubli.anonymous_profiles (
  tenant_id  text NOT NULL,
  slot       integer NOT NULL CHECK (slot > 0),
  client_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, slot)
);

-- One row for each occasion since which materialized views may hold copies of
-- what was erased.
CREATE TABLE oubli.stale_views (
  id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  since timestamptz NOT NULL DEFAULT now()
);

-- Jobs whose clients are looked for once more: where no foreign key refuses it,
-- somebody may have written of them while they were erased. Every transaction
-- that was open at the end of the job must have ended, and some time passed.
CREATE TABLE oubli.second_looks (
  job_id uuid PRIMARY KEY REFERENCES oubli.jobs ON DELETE CASCADE,
  since  timestamptz NOT NULL DEFAULT now(),
  xid    xid8 NOT NULL DEFAULT pg_current_xact_id(), -- prepared transactions have no other name
  open   text[] NOT NULL,                            -- virtual transactions: most have written nothing yet
  batch  integer NOT NULL DEFAULT 0,                 -- the last that was looked at
  tried  timestamptz                                 -- when a look last failed
);
CREATE INDEX second_looks_since ON oubli.second_looks (since);

-- How far what was erased has left the disk: one row for each job that erased
-- somebody, and for what a sweep has cleared. docs/fine-print.md names the levels.
CREATE TABLE oubli.residues (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id  uuid UNIQUE REFERENCES oubli.jobs ON DELETE CASCADE, -- NULL: a sweep
  -- Not now(): a transaction may have begun before a table was rewritten and
  -- have erased from it afterwards.
  since   timestamptz NOT NULL DEFAULT clock_timestamp(),
  level   smallint NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 3),
  reached timestamptz NOT NULL DEFAULT clock_timestamp(),
  tried   timestamptz,                      -- when a worker last set out to refresh statistics
  tries   integer NOT NULL DEFAULT 0
);
CREATE INDEX residues_by_level ON oubli.residues (level) WHERE level < 3;
CREATE INDEX residues_by_try ON oubli.residues (tried);

-- When oubli scrub last began to rewrite a table.
CREATE TABLE oubli.rewrites (
  relation text PRIMARY KEY,
  began_at timestamptz NOT NULL
);

-- The daily sweep of one table of a tenant: rows whose retention was over.
CREATE TABLE oubli.retention_sweeps (
  tenant_id   text NOT NULL,
  name        text NOT NULL,                   -- of the plan's sweep
  day         date NOT NULL,                   -- at the tenant
  table_name  text NOT NULL,
  attempt     integer NOT NULL,                -- the fence: counts claims
  lease_until timestamptz,                     -- of whoever sweeps
  run_at      timestamptz NOT NULL DEFAULT now(), -- no earlier than then is it taken again
  rows        bigint NOT NULL DEFAULT 0,       -- cleared on that day
  refused     jsonb NOT NULL DEFAULT '{}',     -- rows that the database refuses to clear, by code
  last_error  text NOT NULL DEFAULT '',        -- kind and code, never a value
  started_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,                     -- nothing was left to do
  next_at     timestamptz,                     -- when the tenant's next day begins
  PRIMARY KEY (tenant_id, name, day)
);

-- What is kept of a tenant's former clients, as it was counted last.
CREATE TABLE oubli.retained (
  tenant_id  text NOT NULL,
  name       text NOT NULL,                    -- of the plan's sweep
  rule       text NOT NULL,
  table_name text NOT NULL,
  years      jsonb NOT NULL DEFAULT '{}',      -- rows that the law keeps, by the year of the last day
  kept       bigint NOT NULL DEFAULT 0,        -- their sum
  due        bigint NOT NULL DEFAULT 0,        -- rows whose last day is over
  overdue    bigint NOT NULL DEFAULT 0,        -- of these, rows that earlier sweeps should have cleared
  refused    bigint NOT NULL DEFAULT 0,        -- of these, rows that the database refuses to clear
  cleared    bigint NOT NULL DEFAULT 0,        -- by all sweeps
  counted_at timestamptz NOT NULL,
  swept_at   timestamptz,                      -- when a sweep last finished
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE oubli.idempotency_keys (
  caller     text NOT NULL,
  key        text NOT NULL,
  hash       bytea NOT NULL,
  job_id     uuid NOT NULL,
  answer     jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_by_age ON oubli.idempotency_keys (created_at);

-- Ends the statement that calls it with a state of its own, so that the caller
-- can make more profiles and run the chunk again. Volatile, so that it is
-- never evaluated before a row really needs it.
CREATE FUNCTION oubli.need_profiles() RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION 'a unique constraint keeps more rows apart than there are profiles' USING ERRCODE = 'OB001';
END
$$;

-- Replaces the planner's statistics of a table, which hold real values of its
-- rows, with such as are there now. It has the rights of its owner, who must own
-- the table or the database: before PostgreSQL 17 nobody else may analyze it,
-- and MAINTAIN, which can be granted since, allows far more than this. False:
-- something old is left that only a superuser can take away.
CREATE FUNCTION oubli.analyze(relation regclass) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stale record;
  super boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
  clean boolean := true;
BEGIN
  -- ANALYZE passes over a table that it may not touch with a mere warning.
  IF NOT (SELECT pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE')
          FROM pg_class AS c, pg_database AS d WHERE c.oid = relation AND d.datname = current_database()) THEN
    RAISE insufficient_privilege USING MESSAGE = 'the owner of oubli.analyze may not analyze the table', TABLE = relation::text;
  END IF;
  EXECUTE format('ANALYZE %s', relation);
  -- It also leaves the old statistics of a table in which it found no row, as
  -- of a partition whose rows were all erased, and of a column for which
  -- statistics were switched off.
  FOR stale IN
    WITH tables AS (
      SELECT relation::oid AS id UNION SELECT relid FROM pg_partition_tree(relation)),
    parts AS (
      SELECT id, id AS of FROM tables UNION ALL SELECT indexrelid, indrelid FROM pg_index JOIN tables ON id = indrelid)
    SELECT c.oid AS id, a.attnum FROM parts
    JOIN pg_class AS t ON t.oid = parts.of
    JOIN pg_class AS c ON c.oid = parts.id
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid
    JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
    WHERE t.reltuples <= 0 OR a.attstattarget = 0
    UNION ALL
    SELECT e.oid, 0 FROM tables
    JOIN pg_class AS t ON t.oid = tables.id
    JOIN pg_statistic_ext AS e ON e.stxrelid = t.oid
    JOIN pg_namespace AS n ON n.oid = e.stxnamespace
    JOIN pg_stats_ext AS s ON s.statistics_schemaname = n.nspname AND s.statistics_name = e.stxname
    WHERE t.reltuples <= 0
  LOOP
    IF NOT super THEN
      clean := false;
    ELSIF stale.attnum = 0 THEN
      DELETE FROM pg_statistic_ext_data WHERE stxoid = stale.id;
    ELSE
      DELETE FROM pg_statistic WHERE starelid = stale.id AND staattnum = stale.attnum;
    END IF;
  END LOOP;
  RETURN clean;
END
$$;
REVOKE ALL ON FUNCTION oubli.analyze(regclass) FROM PUBLIC;
