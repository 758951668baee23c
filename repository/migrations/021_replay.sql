-- Each run of oubli replay, until nothing is left. One that was interrupted goes on.
CREATE TABLE oubli.replays (
  id           uuid PRIMARY KEY,
  started_at   timestamptz NOT NULL DEFAULT now(),
  finished_at  timestamptz,
  first        bigint NOT NULL,                 -- objects of the ledger that the database did not know
  last         bigint NOT NULL,
  keys         integer NOT NULL DEFAULT 0,      -- clients that the objects say were erased or merged
  absent       integer NOT NULL DEFAULT 0,
  erased_again integer NOT NULL DEFAULT 0,
  key_reused   integer NOT NULL DEFAULT 0,
  in_doubt     integer NOT NULL DEFAULT 0,
  refused      integer NOT NULL DEFAULT 0,
  CHECK (absent + erased_again + key_reused + in_doubt + refused = keys)
);
CREATE UNIQUE INDEX replays_open ON oubli.replays ((true)) WHERE finished_at IS NULL;

-- Jobs that erase or merge again, and the keys that a replay gave them.
ALTER TABLE oubli.jobs ADD replay uuid REFERENCES oubli.replays;
CREATE INDEX jobs_by_replay ON oubli.jobs (replay) WHERE replay IS NOT NULL;
ALTER TABLE oubli.jobs DROP CONSTRAINT jobs_reason_check;
ALTER TABLE oubli.jobs ADD CONSTRAINT jobs_reason_check CHECK (reason IN ('inactivity', 'subject_request', 'replay'));

DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, bool_or(privilege_type = 'DELETE') AS works
    FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.tasks'::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT ON oubli.replays TO %s', role.name);
    IF role.works THEN
      EXECUTE format('GRANT INSERT, UPDATE ON oubli.replays TO %s', role.name);
    END IF;
  END LOOP;
END $$;
