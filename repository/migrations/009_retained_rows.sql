-- Which rows keep something of erased clients, and the day from which their period
-- counts. A sweep finds the rows by this when their profile is gone.
CREATE TABLE oubli.retained_rows (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id  text NOT NULL,
  table_name text NOT NULL,                    -- with its schema
  reference  text NOT NULL,                    -- the column of the map's entry
  rows       text[] NOT NULL,                  -- what identifies each row
  days       date[] NOT NULL,
  CHECK (cardinality(rows) = cardinality(days) AND cardinality(rows) > 0)
);
CREATE INDEX retained_rows_by_table ON oubli.retained_rows (tenant_id, table_name, reference);

-- The law of each tenant of whom something is retained, as last read: it applies
-- when the tenant's own row is gone.
CREATE TABLE oubli.tenant_laws (
  tenant_id       text PRIMARY KEY,
  country         text NOT NULL,
  fiscal_year_end text NOT NULL,
  time_zone       text NOT NULL,
  read_at         timestamptz NOT NULL DEFAULT now()
);

-- Whoever may use the counts of what is retained may use these.
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT a.privilege_type AS privilege, a.grantee::regrole AS role
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid = 'oubli.retained'::regclass AND a.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT %s ON oubli.retained_rows, oubli.tenant_laws TO %s', r.privilege, r.role);
  END LOOP;
END
$$;
