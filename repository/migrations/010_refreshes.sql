-- Materialized views that are to be refreshed: one row for each stale view, so
-- that one that fails keeps no other stale.
CREATE TABLE oubli.refreshes (
  view      text PRIMARY KEY,
  since     timestamptz NOT NULL,        -- when something was erased that it may still show
  occasions bigint NOT NULL,             -- so often something was erased; more of them while it is refreshed keep it stale
  tried     timestamptz,
  tries     integer NOT NULL DEFAULT 0,
  code      text NOT NULL DEFAULT ''     -- SQLSTATE of the last refresh, if it failed
);

-- The roles of an earlier oubli grants have the same rights as on second_looks.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, bool_or(privilege_type = 'DELETE') AS works
    FROM pg_class, aclexplode(relacl) WHERE oid = 'oubli.second_looks'::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT ON oubli.refreshes TO %s', role.name);
    IF role.works THEN
      EXECUTE format('GRANT INSERT, UPDATE, DELETE ON oubli.refreshes TO %s', role.name);
    END IF;
  END LOOP;
END $$;
