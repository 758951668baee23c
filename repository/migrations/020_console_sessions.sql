-- Sessions of the console in a browser. The code of the link and the cookie are stored
-- as digests only, so that who reads this table cannot use them.
CREATE TABLE oubli.console_sessions (
  id            uuid PRIMARY KEY,
  tenant_id     text NOT NULL,
  subject       text NOT NULL,
  email         text NOT NULL,
  role          text NOT NULL CHECK (role IN ('admin', 'viewer')),
  locale        text NOT NULL DEFAULT '',
  path          text NOT NULL DEFAULT '',
  code_digest   bytea UNIQUE,               -- until the code was used
  code_until    timestamptz NOT NULL,
  cookie_digest bytea UNIQUE,               -- from then on
  opened_at     timestamptz,
  seen_at       timestamptz,
  ends_at       timestamptz NOT NULL,       -- at the latest
  CHECK (code_digest IS NULL OR cookie_digest IS NULL)
);
CREATE INDEX console_sessions_by_end ON oubli.console_sessions (ends_at);

-- The roles of an earlier oubli grants may do here what they may do with jobs.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, privilege_type FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.jobs'::regclass AND grantee <> relowner AND grantee <> 0 AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE') LOOP
    EXECUTE format('GRANT %s ON oubli.console_sessions TO %s', role.privilege_type, role.name);
    IF role.privilege_type = 'UPDATE' THEN
      EXECUTE format('GRANT DELETE ON oubli.console_sessions TO %s', role.name);
    END IF;
  END LOOP;
END $$;
