-- How far the database knows its ledger: always one row. A restored database has an
-- old row, and the ledger goes on behind it.
CREATE TABLE oubli.epoch (
  single        boolean PRIMARY KEY DEFAULT true CHECK (single),
  database_id   uuid NOT NULL DEFAULT gen_random_uuid(), -- names this database's directory in the ledger
  sequence      bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
  digest        bytea,                                   -- SHA-256 of the last object
  pending       bytea[] NOT NULL DEFAULT '{}',           -- digests of objects that were to follow it
  pending_until timestamptz,                             -- until then a process may be writing the last of them
  wrote_on      text NOT NULL DEFAULT '',                -- server and timeline when it was announced
  restored      text NOT NULL DEFAULT '',                -- why the database counts as restored; '': it does not
  CHECK ((sequence = 0) = (digest IS NULL)),
  CHECK ((cardinality(pending) = 0) = (pending_until IS NULL))
);
INSERT INTO oubli.epoch DEFAULT VALUES;

-- What is known of each object of the ledger without reading it. It is kept for ever:
-- it shows that no object was changed.
CREATE TABLE oubli.ledger_objects (
  sequence   bigint PRIMARY KEY,
  digest     bytea NOT NULL,
  intents    integer,                                    -- NULL: the process that wrote it died before it said so
  outcomes   integer,
  keys       integer,
  bytes      integer NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now()
);

-- Who writes the outcomes of batches that have ended: one process at a time.
CREATE TABLE oubli.outcome_writer (
  holder      uuid,
  lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO oubli.outcome_writer DEFAULT VALUES;

-- The objects that have the intent and the outcome of a batch or merge; 0: it has
-- nothing to say.
ALTER TABLE oubli.tasks ADD ledger_intent bigint;
ALTER TABLE oubli.tasks ADD ledger_outcome bigint;
CREATE INDEX tasks_without_outcome ON oubli.tasks (id)
  WHERE kind <> 'mail' AND state IN ('done', 'failed', 'cancelled') AND ledger_outcome IS NULL;

-- Which server this is, and on which timeline: both change when a database is put
-- back. It is '' where the role may not ask.
CREATE FUNCTION oubli.server() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT system_identifier::text FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
EXCEPTION WHEN OTHERS THEN
  RETURN '';
END
$$;

-- The roles of an earlier oubli grants.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, bool_or(privilege_type = 'DELETE') AS works
    FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.tasks'::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT ON oubli.epoch, oubli.ledger_objects, oubli.outcome_writer TO %s', role.name);
    IF role.works THEN
      EXECUTE format('GRANT UPDATE ON oubli.epoch, oubli.ledger_objects, oubli.outcome_writer TO %s', role.name);
      EXECUTE format('GRANT INSERT ON oubli.ledger_objects TO %s', role.name);
    END IF;
  END LOOP;
END $$;
