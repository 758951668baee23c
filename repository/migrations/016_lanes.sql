-- How many lanes there are. A process that is set to another number uses this one
-- while others work.
CREATE TABLE oubli.lanes (
  one   boolean PRIMARY KEY DEFAULT true CHECK (one),
  lanes integer NOT NULL CHECK (lanes > 0)
);

-- The roles of an earlier oubli grants that may claim tasks may read and write it.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.second_looks'::regclass AND grantee <> relowner AND grantee <> 0 AND privilege_type = 'DELETE' GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON oubli.lanes TO %s', role.name);
  END LOOP;
END $$;
