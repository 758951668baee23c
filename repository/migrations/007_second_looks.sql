-- Second looks go on after the first: a minute after the end of the job, and then
-- once a day.
ALTER TABLE oubli.second_looks
  ADD pass integer NOT NULL DEFAULT 1,               -- which look it is
  ADD next_at timestamptz NOT NULL DEFAULT now(),    -- no earlier than then is the next batch looked at
  ADD only_refused boolean NOT NULL DEFAULT false,   -- this pass looks only at clients in oubli.late_rows
  ADD merge jsonb;                                   -- of a merge into a client: jobs.MergeTerms, with the target
CREATE INDEX second_looks_next ON oubli.second_looks (next_at);
CREATE INDEX second_looks_tried ON oubli.second_looks (tried) WHERE tried IS NOT NULL;
CREATE INDEX second_looks_of_merges ON oubli.second_looks (job_id) WHERE merge IS NOT NULL;

-- Erased clients of whom rows are left that were written since: the database
-- refuses to erase these.
CREATE TABLE oubli.late_rows (
  job_id    uuid NOT NULL REFERENCES oubli.jobs ON DELETE CASCADE,
  client_id text COLLATE "C" NOT NULL,
  code      text NOT NULL,                           -- why: SQLSTATE and constraint, or not_erased
  detail    text NOT NULL DEFAULT '',                -- names of table, column and triggers, never a value
  tries     integer NOT NULL DEFAULT 1,
  since     timestamptz NOT NULL DEFAULT now(),
  tried     timestamptz NOT NULL DEFAULT clock_timestamp(),
  given_up  boolean NOT NULL DEFAULT false,          -- from now on tried once a day only
  PRIMARY KEY (job_id, client_id)
);

-- The roles of an earlier oubli grants have the same rights as on second_looks.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, bool_or(privilege_type = 'DELETE') AS works
    FROM pg_class, aclexplode(relacl) WHERE oid = 'oubli.second_looks'::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT ON oubli.late_rows TO %s', role.name);
    IF role.works THEN
      EXECUTE format('GRANT INSERT, UPDATE, DELETE ON oubli.late_rows TO %s', role.name);
    END IF;
  END LOOP;
END $$;
