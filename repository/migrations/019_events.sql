-- What oubli's processes share and that is one for the whole database.
CREATE TABLE oubli.service (
  one            boolean PRIMARY KEY DEFAULT true CHECK (one),
  cursor_secret  uuid NOT NULL DEFAULT gen_random_uuid(), -- hides clients' keys in the cursors of lists
  last_event     bigint NOT NULL DEFAULT 0,               -- the last number that an event was given
  expired_event  bigint NOT NULL DEFAULT 0,               -- the last event that was deleted
  webhook_after  bigint                                   -- later events go to OUBLI_EVENTS_URL; NULL: it was never set
);
INSERT INTO oubli.service DEFAULT VALUES;

-- Changes of the states of jobs, for GET /v1/events and OUBLI_EVENTS_URL: ids, states
-- and counts only. An event is written in the transaction that changes the state.
CREATE TABLE oubli.events (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The number under which readers know the event. It is given after the event's
  -- transaction has committed, so that no reader passes over an event that commits late.
  number       bigint UNIQUE,
  tenant_id    text NOT NULL,
  job_id       uuid,
  type         text NOT NULL,
  data         jsonb NOT NULL,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz,                     -- to OUBLI_EVENTS_URL
  attempts     integer NOT NULL DEFAULT 0,
  try_at       timestamptz NOT NULL DEFAULT now() -- no earlier than then is it sent again
);
CREATE INDEX events_unnumbered ON oubli.events (id) WHERE number IS NULL;
CREATE INDEX events_by_tenant ON oubli.events (tenant_id, number) WHERE number IS NOT NULL;
CREATE INDEX events_undelivered ON oubli.events (number) WHERE number IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX events_undelivered_of_job ON oubli.events (job_id, number) WHERE number IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX events_by_age ON oubli.events (at);

-- A trigger, so that no statement that changes a state can forget it, those of a
-- program of the release before included. It has the rights of the table's owner.
CREATE FUNCTION oubli.note_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  n record;
  counts jsonb;
BEGIN
  SELECT coalesce(sum(erased), 0) AS erased, coalesce(sum(erased_retained), 0) AS retained, coalesce(sum(skipped), 0) AS skipped,
    coalesce(sum(failed), 0) AS failed, coalesce(sum(not_found), 0) AS not_found
  INTO n FROM oubli.tasks WHERE job_id = NEW.id AND kind <> 'mail';
  counts := jsonb_build_object('pending', NEW.requested - n.erased - n.retained - n.skipped - n.failed - n.not_found,
    CASE NEW.kind WHEN 'merge' THEN 'merged' ELSE 'erased' END, n.erased,
    CASE NEW.kind WHEN 'merge' THEN 'merged_retained' ELSE 'erased_retained' END, n.retained,
    'skipped', n.skipped, 'failed', n.failed, 'not_found', n.not_found);
  INSERT INTO oubli.events (tenant_id, job_id, type, data) VALUES (NEW.tenant_id, NEW.id, NEW.kind || '.' || NEW.state,
    jsonb_build_object('id', NEW.id, 'tenant_id', NEW.tenant_id, 'state', NEW.state, 'dry_run', NEW.dry_run, 'counts', counts));
  RETURN NULL;
END
$$;
CREATE TRIGGER note_event_of_new AFTER INSERT ON oubli.jobs FOR EACH ROW EXECUTE FUNCTION oubli.note_event();
CREATE TRIGGER note_event AFTER UPDATE OF state ON oubli.jobs FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION oubli.note_event();

-- A selection in another order than that of the keys, made when somebody asks for it.
CREATE TABLE oubli.sorted_parts (
  selection_id uuid NOT NULL REFERENCES oubli.selections ON DELETE CASCADE,
  sort         text NOT NULL CHECK (sort IN ('last_activity', 'created_at')),
  number       integer NOT NULL,
  keys         text[] NOT NULL,
  codes        text[] NOT NULL,
  PRIMARY KEY (selection_id, sort, number)
);

-- How many of the excluded clients a guard protects anyway, so that the total of a
-- selection is read without reading its candidates. A trigger counts them, so that the
-- program of the release before may exclude clients too.
ALTER TABLE oubli.selections ADD excluded_blocked integer NOT NULL DEFAULT 0;
UPDATE oubli.selections AS s SET excluded_blocked = (
  SELECT count(*) FROM oubli.selection_parts AS part, unnest(part.keys, part.codes) AS c(key, code)
  WHERE part.selection_id = s.id AND c.code <> '' AND c.key IN (SELECT unnest(s.excluded)))
WHERE cardinality(excluded) > 0;
CREATE FUNCTION oubli.count_excluded() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.excluded_blocked := CASE WHEN cardinality(NEW.excluded) = 0 OR NEW.blocked = '{}' THEN 0 ELSE (
    SELECT count(*) FROM oubli.selection_parts AS part, unnest(part.keys, part.codes) AS c(key, code)
    WHERE part.selection_id = NEW.id AND c.code <> '' AND c.key IN (SELECT unnest(NEW.excluded))) END;
  RETURN NEW;
END
$$;
CREATE TRIGGER count_excluded BEFORE UPDATE OF excluded ON oubli.selections FOR EACH ROW EXECUTE FUNCTION oubli.count_excluded();

-- Lists of a tenant.
CREATE INDEX selections_by_tenant ON oubli.selections (tenant_id, id);

-- The roles of an earlier oubli grants may do here what they may do with jobs and
-- selections.
DO $$ DECLARE role record;
BEGIN
  FOR role IN
    SELECT grantee::regrole AS name, privilege_type = 'UPDATE' AS writes FROM pg_class, aclexplode(relacl)
    WHERE oid = 'oubli.jobs'::regclass AND grantee <> relowner AND grantee <> 0 AND privilege_type IN ('SELECT', 'UPDATE') LOOP
    IF role.writes THEN
      EXECUTE format('GRANT UPDATE, DELETE ON oubli.events, oubli.service TO %1$s', role.name);
      EXECUTE format('GRANT INSERT, UPDATE, DELETE ON oubli.sorted_parts TO %1$s', role.name);
    ELSE
      EXECUTE format('GRANT SELECT ON oubli.events, oubli.service, oubli.sorted_parts TO %1$s', role.name);
    END IF;
  END LOOP;
END $$;
