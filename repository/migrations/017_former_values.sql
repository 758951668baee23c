-- What erased clients had in columns, other than the key, to which references of the
-- map refer: an external id, an e-mail address. The proof of the erasure and the looks
-- for late rows need these values when the client's row is gone. They are removed when
-- the looks that follow the end of the job are over.
CREATE TABLE oubli.former_values (
  job_id      uuid NOT NULL REFERENCES oubli.jobs ON DELETE CASCADE,
  column_name text NOT NULL,
  client_key  text NOT NULL,
  value       text NOT NULL,
  PRIMARY KEY (job_id, column_name, client_key)
);

-- No statistics: they would hold values.
ALTER TABLE oubli.former_values ALTER value SET STATISTICS 0;

-- The workers' roles of an earlier oubli grants: those that may delete second looks.
-- The API's role may not read values of erased clients.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.second_looks'::regclass AND grantee <> relowner AND grantee <> 0 AND privilege_type = 'DELETE' GROUP BY grantee LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON oubli.former_values TO %s', role.name);
  END LOOP;
END $$;
