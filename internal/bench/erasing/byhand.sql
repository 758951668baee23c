-- The erasure as a good engineer would write it by hand for this one schema: in
-- one transaction, one statement for each table, from a table of keys, referencing
-- rows before the rows that they refer to. Its effect is compared with oubli's row
-- by row. The file is split into statements at the lines that begin with "-- on:".

-- on: clients: lock, in order of id, those for whom no guard holds
INSERT INTO erased (id, studio_id, address_id)
SELECT c.id, c.studio_id, c.address_id FROM clients AS c JOIN wanted USING (id)
WHERE NOT legal_hold AND balance_cents = 0 AND NOT is_anonymous
  AND NOT EXISTS (SELECT FROM appointments WHERE client_id = c.id AND starts_at > now() AND status = 'booked')
  AND NOT EXISTS (SELECT FROM invoices WHERE client_id = c.id AND status = 'open')
ORDER BY c.id FOR UPDATE OF c;

-- on: analyze
ANALYZE erased;

-- on: participations: two of one class need different profiles
INSERT INTO assignments (id, studio_id, slot)
SELECT p.id, d.studio_id, row_number() OVER (PARTITION BY p.session_id ORDER BY p.id)
FROM participations AS p JOIN erased AS d ON d.id = p.client_id;

-- on: profiles
WITH wanted AS (
  SELECT studio_id, 1 AS slot FROM erased UNION SELECT studio_id, slot FROM assignments),
named AS (
  SELECT nextval(pg_get_serial_sequence('clients', 'id')) AS id, w.studio_id, w.slot,
    CASE left(s.locale, 2) WHEN 'de' THEN 'Unbekannter Kunde' WHEN 'fr' THEN 'Client inconnu' ELSE 'Cliente sconosciuto' END AS label,
    s.country
  FROM wanted AS w JOIN studios AS s ON s.id = w.studio_id),
made AS (
  INSERT INTO clients (id, studio_id, first_name, last_name, group_name, is_anonymous)
  SELECT id, studio_id, label, '', 'Externe', true FROM named)
INSERT INTO profiles (studio_id, slot, id, label, years) SELECT studio_id, slot, id, label, CASE country WHEN 'AT' THEN 7 ELSE 10 END FROM named;

-- on: analyze
ANALYZE profiles, assignments;

-- on: clients: who was recommended by them
UPDATE clients AS t SET referred_by = NULL FROM erased AS d WHERE t.referred_by = d.id;

-- on: appointments
UPDATE appointments AS t SET client_id = p.id, client_name = p.label, note = NULL
FROM erased AS d JOIN profiles AS p ON p.studio_id = d.studio_id AND p.slot = 1 WHERE t.client_id = d.id;

-- on: invoice_lines
UPDATE invoice_lines AS t SET participation_id = NULL
FROM invoices AS i JOIN erased AS d ON d.id = i.client_id WHERE t.invoice_id = i.id AND t.participation_id IS NOT NULL;

-- on: participations
UPDATE participations AS t SET client_id = p.id, comment = NULL
FROM assignments AS s JOIN profiles AS p USING (studio_id, slot) WHERE t.id = s.id;

-- on: invoices: billing data stays while the law keeps it
UPDATE invoices AS t SET client_id = p.id,
  billing_name = CASE WHEN over THEN p.label ELSE billing_name END,
  billing_address = CASE WHEN over THEN NULL ELSE billing_address END,
  billing_email = CASE WHEN over THEN NULL ELSE billing_email END
FROM erased AS d JOIN profiles AS p ON p.studio_id = d.studio_id AND p.slot = 1
  JOIN LATERAL (SELECT i.id, make_date(extract(year FROM i.issued_on)::int + p.years, 12, 31) < current_date AS over
    FROM invoices AS i WHERE i.client_id = d.id) AS i ON true
WHERE t.id = i.id;

-- on: client_notes
DELETE FROM client_notes AS t USING erased AS d WHERE t.client_id = d.id;

-- on: messages
DELETE FROM messages AS t USING erased AS d WHERE t.client_id = d.id;

-- on: memberships
DELETE FROM memberships AS t USING erased AS d WHERE t.client_id = d.id;

-- on: consents
DELETE FROM consents AS t USING erased AS d WHERE t.client_id = d.id;

-- on: audit_log
DELETE FROM audit_log AS t USING erased AS d WHERE t.subject_id = d.id AND t.subject_type = 'Client';

-- on: clients
DELETE FROM clients AS t USING erased AS d WHERE t.id = d.id;

-- on: addresses: unless another client has the same one
DELETE FROM addresses AS t USING (SELECT DISTINCT address_id FROM erased) AS d
WHERE t.id = d.address_id AND NOT EXISTS (SELECT FROM clients WHERE address_id = t.id);
