-- The rows that one transaction wrote have its number in their system column xmin.
-- Of a transaction that erased fewer clients than a mixture must have, the number is
-- kept here until those rows were written again together with others'.
ALTER TABLE oubli.tasks ADD small_xids xid8[] NOT NULL DEFAULT '{}';
ALTER TABLE oubli.tasks ADD small_times tstzrange[] NOT NULL DEFAULT '{}'; -- from begin to commit of each
ALTER TABLE oubli.tasks ADD small_clients integer[] NOT NULL DEFAULT '{}'; -- erased by each
-- The latest of the other transactions: its rows can cover those of small ones.
ALTER TABLE oubli.tasks ADD large_xid xid8;
ALTER TABLE oubli.tasks ADD large_xid_clients integer NOT NULL DEFAULT 0;
ALTER TABLE oubli.tasks ADD large_clients integer NOT NULL DEFAULT 0;      -- erased by all of them
ALTER TABLE oubli.tasks ADD trigger_rows boolean NOT NULL DEFAULT false;   -- triggers wrote rows that no mixture reaches

-- NULL: from before this was recorded, or a sweep, whose rows say no more by their
-- xmin than by their dates.
ALTER TABLE oubli.residues ADD mix text CHECK (mix IN ('waiting', 'mixed'));
ALTER TABLE oubli.residues ADD mix_reason text NOT NULL DEFAULT '';        -- why its rows could not be mixed: names, no values
ALTER TABLE oubli.residues ADD mix_after timestamptz NOT NULL DEFAULT now();
ALTER TABLE oubli.residues ADD mixed_at timestamptz;
ALTER TABLE oubli.residues ADD tenant_id text;
ALTER TABLE oubli.residues ADD small_clients integer NOT NULL DEFAULT 0;   -- of whom rows wait to be mixed
ALTER TABLE oubli.residues ADD cover_clients integer NOT NULL DEFAULT 0;   -- of the latest large transaction
ALTER TABLE oubli.residues ADD small_xids xid8[] NOT NULL DEFAULT '{}';    -- of a second look
ALTER TABLE oubli.residues ADD small_times tstzrange[] NOT NULL DEFAULT '{}';
CREATE INDEX residues_to_mix ON oubli.residues (mix_after) WHERE mix = 'waiting';

-- Who mixes: one worker at a time.
CREATE TABLE oubli.mixing (
  attempt     integer NOT NULL,                  -- the fence: counts claims
  lease_until timestamptz,
  next_at     timestamptz NOT NULL DEFAULT now() -- no earlier than then does the next round begin
);
INSERT INTO oubli.mixing (attempt) VALUES (0);

-- The latest mixture of those who share profiles. Its rows cover the next ones.
CREATE TABLE oubli.mixtures (
  profile_owner text PRIMARY KEY,
  xids          xid8[] NOT NULL,
  clients       integer NOT NULL
);

-- Roles that may write residues work for the same service.
DO $$ DECLARE grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT acl.grantee::regrole::text FROM pg_class AS c, aclexplode(c.relacl) AS acl
    WHERE c.oid = 'oubli.residues'::regclass AND acl.privilege_type = 'UPDATE' AND acl.grantee <> 0
  LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON oubli.mixing, oubli.mixtures TO %s', grantee);
  END LOOP;
END $$;
